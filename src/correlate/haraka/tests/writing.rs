//! Records as Haraka writes them (`logger.js`, `stringify()` and `emit()`).

use super::C;

#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    Default,
    Logfmt,
    Json,
}

#[derive(Debug, Clone)]
pub(super) struct Written {
    level: &'static str,
    pub(super) uuid: String,
    origin: String,
    message: String,
    fields: Vec<(String, String)>,
}

/// A record at `NOTICE`, about the connection [`C`] with `end` behind it.
pub(super) fn record(end: &str, origin: &str, message: &str, fields: &[(&str, &str)]) -> Written {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Written {
        level: "NOTICE",
        uuid: format!("{C}{end}"),
        origin: origin.to_owned(),
        message: message.to_owned(),
        fields: fields.iter().map(owned).collect(),
    }
}

impl Written {
    pub(super) fn at(self, level: &'static str) -> Self {
        Self { level, ..self }
    }

    /// The same record of another connection.
    pub(super) fn of(self, connection: &str) -> Self {
        let text = |text: String| text.replace(C, connection);
        let fields = self.fields.into_iter().map(|(key, value)| (key, text(value))).collect();
        Self { uuid: text(self.uuid), fields, ..self }
    }

    pub(super) fn is_info(&self) -> bool {
        self.level == "INFO"
    }

    pub(super) fn in_layout(&self, layout: Layout) -> String {
        let Self { level, uuid, origin, message, .. } = self;
        match layout {
            Layout::Default => {
                let message = message.replace(['\r', '\n'], " ");
                let fields = pairs(&self.fields);
                let space = if fields.is_empty() { "" } else { " " };
                format!("[{level}] [{uuid}] [{origin}] {message}{space}{fields}")
            }
            Layout::Logfmt => {
                let head =
                    [("level", *level), ("uuid", uuid), ("origin", origin), ("message", message)];
                let head = head.map(|(key, value)| (key.to_owned(), value.to_owned()));
                pairs(&[&head[..], &self.fields].concat())
            }
            Layout::Json => {
                let mut object = serde_json::Map::new();
                for (key, value) in
                    [("level", *level), ("uuid", uuid), ("origin", origin), ("message", message)]
                {
                    object.insert(key.to_owned(), value.into());
                }
                for (key, value) in &self.fields {
                    object.insert(key.clone(), value.as_str().into());
                }
                serde_json::Value::Object(object).to_string()
            }
        }
    }
}

fn pairs(fields: &[(String, String)]) -> String {
    let pair = |(key, value): &(String, String)| {
        let needs_quotes = value.is_empty() || value.contains([' ', '=', '"', '\\', '\r', '\n']);
        if !needs_quotes {
            return format!("{key}={value}");
        }
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        let escaped = escaped.replace('\r', "\\r").replace('\n', "\\n");
        format!("{key}=\"{escaped}\"")
    };
    fields.iter().map(pair).collect::<Vec<_>>().join(" ")
}
