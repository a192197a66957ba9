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

use super::{code::Code, problem::Problem};

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
    components.schemas.insert(Code::name().into_owned(), Code::schema());
    document
}

/// What the operations of a mount are added to, whose refusals have a shape of their own.
pub(super) fn with_refusal<T: ToSchema>() -> OpenApi {
    let mut document = OpenApi::default();
    let components = document.components.get_or_insert_default();
    components.schemas.insert(T::name().into_owned(), T::schema());
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

    /// Names of the schemas that a source file describes.
    fn described(source: &str) -> Vec<&str> {
        let mut names = Vec::new();
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with("#[derive(") || !line.contains("ToSchema") {
                continue;
            }
            let mut name = None;
            let described = lines.by_ref().find_map(|line| {
                let given = line.strip_prefix("#[schema(as = ");
                name = name.or_else(|| given.and_then(|it| it.split([',', ')']).next()));
                let behind = line.split_once("struct ").or_else(|| line.split_once("enum "));
                behind.and_then(|(_, it)| it.split([' ', '<', ';']).next())
            });
            names.extend(name.or(described));
        }
        names
    }

    /// The story of a message was once described as a type of events, which has a part of the same name:
    /// of two schemas with one name the document keeps one.
    #[test]
    fn no_two_schemas_have_one_name() {
        let mut directories =
            vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut places = std::collections::BTreeMap::new();
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                for name in described(&std::fs::read_to_string(&path).unwrap()) {
                    let other = places.insert(name.to_owned(), path.clone());
                    assert!(other.is_none(), "{name} is in {other:?} and in {path:?}");
                }
            }
        }
        assert!(places.len() > 50, "{places:?}");
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
