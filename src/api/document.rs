//! The description of the API (`OpenAPI` 3.1), made of the handlers and their types.
//!
//! The daemon answers it under `/openapi.json`; a copy is `contrib/docs/openapi.json`.

use axum::http::header::{CONTENT_TYPE, HeaderName};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Info, License, OpenApi, OpenApiBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::problem::Problem;

/// Name of the way to say who asks.
const KEY: &str = "key";

/// What the operations are added to.
pub(super) fn head() -> OpenApi {
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    let mut info = Info::new("mailherald", env!("CARGO_PKG_VERSION"));
    info.description = Some(env!("CARGO_PKG_DESCRIPTION").to_owned());
    info.license = Some(license);
    let mut document = OpenApiBuilder::new()
        .info(info)
        .security(Some([SecurityRequirement::new(KEY, [""; 0])]))
        .build();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`api_…`, as `mailherald keys create` shows it once"))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(KEY, SecurityScheme::Http(scheme));
    // Every refusal names it, and utoipa collects only what is in the bodies of good answers.
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    document
}

/// The description in the shape of an answer.
pub(super) fn served(document: &OpenApi) -> ([(HeaderName, &'static str); 1], String) {
    // Constants always have a JSON form.
    ([(CONTENT_TYPE, "application/json")], document.to_json().unwrap_or_default())
}

/// The whole description, as JSON for people and programs.
///
/// # Errors
/// None that a test would not have met: it is made of constants.
pub fn text() -> serde_json::Result<String> {
    let mut text = super::description().to_pretty_json()?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// No refusal was described once: what it referred to was not there.
    #[test]
    fn every_reference_leads_to_something() {
        let document: serde_json::Value = serde_json::from_str(&text().unwrap()).unwrap();
        let text = document.to_string();
        let mut count = 0;
        for part in text.split("\"$ref\":\"#").skip(1) {
            let place = part.split('"').next().unwrap();
            assert!(document.pointer(place).is_some(), "{place}");
            count += 1;
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn the_document_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/docs/openapi.json");
        let text = text().unwrap();
        if std::env::var_os("MAILHERALD_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == text,
            "run MAILHERALD_BLESS=1 cargo test --lib -- the_document_is_fresh"
        );
    }
}
