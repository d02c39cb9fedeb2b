//! A JSON value with the keys that stand twice in their objects; other readers of JSON drop one of them unseen.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::config::Path;

/// Reads JSON. Of a key that stands twice the last one counts.
///
/// # Errors
/// Where it is not JSON, or deeper than 128 levels.
pub(super) fn read(text: &str) -> serde_json::Result<(Value, Vec<Path>)> {
    let mut twice = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let root = Node {
        at: At::Root,
        twice: &mut twice,
    };
    let value = root.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice))
}

/// Where the reader is. Becomes a [`Path`] only where something is wrong.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn path(self) -> Path {
        match self {
            At::Root => Path::root(),
            At::Field(holder, key) => holder.path().field(key),
            At::Item(holder, index) => holder.path().item(index),
        }
    }
}

/// One value that is read.
struct Node<'a> {
    at: At<'a>,
    twice: &'a mut Vec<Path>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let Self { at, twice } = self;
        let mut values = Vec::new();
        loop {
            let at = At::Item(&at, values.len());
            match list.next_element_seed(Node { at, twice })? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let Self { at, twice } = self;
        let mut values = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let at = At::Field(&at, &key);
            if values.contains_key(&key) {
                twice.push(at.path());
            }
            let value = object.next_value_seed(Node { at, twice })?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn values_are_those_of_any_reader() {
        let text = r#" {"a": [null, true, -1, 18446744073709551615, 1.5e3, "é\n\ud83d\ude00", [], {}], "b": {"c": 0}} "#;
        let (value, twice) = super::read(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(twice, []);
    }

    #[test]
    fn keys_that_stand_twice() {
        let text = r#"{"a": 1, "a": [{}, {"b": 1, "c": {"b": 1}, "\u0062": 2, "b": 3}], "c": 1}"#;
        let (_, twice) = super::read(text).unwrap();
        let twice: Vec<_> = twice.iter().map(ToString::to_string).collect();
        assert_eq!(twice, ["$.a", "$.a.1.b", "$.a.1.b"]);
    }
}
