//! JSON as JavaScript prints it.
//!
//! Receivers that parse a body and hash `JSON.stringify` of the result are common (webhooks.md
//! C21), so the bytes must survive that: compact, `/` and everything beyond ASCII raw, numbers in
//! the shortest form of ECMA-262 §6.1.6.1.20, integers that a double cannot hold as strings. Keys
//! that look like integers would be reordered by JavaScript; renderers do not make any.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, ser::Formatter};

/// The largest n such that JavaScript keeps n and every integer below it.
const EXACT_MAX: u64 = 1 << 53;

/// The bytes that JavaScript's `JSON.stringify` would give.
#[must_use]
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    append(value, &mut bytes);
    bytes
}

/// Appends what [`to_bytes`] gives. `value` has only string keys.
#[expect(clippy::expect_used, reason = "the keys are strings, and a Vec takes every byte")]
pub(super) fn append(value: &impl Serialize, bytes: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::with_formatter(bytes, JavaScript);
    value.serialize(&mut serializer).expect("a value always has a JSON form");
}

/// An object with these fields in this order.
#[must_use]
pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// `serde_json`'s compact form, apart from numbers.
struct JavaScript;

impl Formatter for JavaScript {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format(value).as_bytes())
    }

    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        let text = value > EXACT_MAX;
        if text { write!(writer, "\"{value}\"") } else { write!(writer, "{value}") }
    }

    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        let text = value.unsigned_abs() > EXACT_MAX;
        if text { write!(writer, "\"{value}\"") } else { write!(writer, "{value}") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::process::{Command, Stdio};

    use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(to_bytes(value)).unwrap()
    }

    #[test]
    fn numbers_are_printed_as_javascript_prints_them() {
        for (number, printed) in [
            (15.0, "15"),
            (15.3, "15.3"),
            (0.08, "0.08"),
            (1e16, "10000000000000000"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (0.000_001, "0.000001"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(text(&json!(number)), printed);
        }
    }

    #[test]
    fn integers_that_a_double_cannot_hold_are_strings() {
        assert_eq!(text(&json!(1_u64 << 53)), "9007199254740992");
        assert_eq!(text(&json!((1_u64 << 53) + 1)), "\"9007199254740993\"");
        assert_eq!(text(&json!(-(1_i64 << 53) - 1)), "\"-9007199254740993\"");
        assert_eq!(text(&json!(u64::MAX)), "\"18446744073709551615\"");
        assert_eq!(text(&json!(-7)), "-7");
    }

    #[test]
    fn text_is_raw_but_for_quotes_backslashes_and_controls() {
        assert_eq!(text(&json!("a/b ü 😀 \u{2028}\u{7f}")), "\"a/b ü 😀 \u{2028}\u{7f}\"");
        assert_eq!(text(&json!("\"\\\n\t\u{8}\u{c}\r\u{1f}")), r#""\"\\\n\t\b\f\r\u001f""#);
    }

    #[test]
    fn objects_are_compact_and_keep_their_order() {
        assert_eq!(
            text(&json!({"b": [1, null], "a": {"c": true}})),
            r#"{"b":[1,null],"a":{"c":true}}"#
        );
    }

    /// Anything a renderer could make: no keys that look like integers.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1000i64..1000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<u32>().prop_map(|us| Value::from(f64::from(us) / 1e6)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-z_]{1,8}", inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    /// Answers each line of JSON with what `JSON.stringify(JSON.parse(line))` makes of it.
    const ROUND_TRIP: &str = "const lines = require('fs').readFileSync(0, 'utf8').split('\\n');
        lines.pop();
        process.stdout.write(lines.map(line => JSON.stringify(JSON.parse(line)) + '\\n').join(''));";

    /// Skipped where there is no `node`; CI has one.
    #[test]
    fn parse_and_stringify_in_node_give_the_same_bytes() {
        let node = Command::new("node")
            .args(["-e", ROUND_TRIP])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut node) = node else { return };

        let mut runner = TestRunner::default();
        let strategy = values();
        let lines: String = (0..3000)
            .map(|_| text(&strategy.new_tree(&mut runner).unwrap().current()) + "\n")
            .collect();
        let mut stdin = node.stdin.take().unwrap();
        let input = lines.clone();
        let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = node.wait_with_output().unwrap();
        feeder.join().unwrap().unwrap();

        let answered = String::from_utf8(output.stdout).unwrap();
        for (ours, theirs) in lines.split('\n').zip(answered.split('\n')) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(lines.len(), answered.len());
    }
}
