//! JSON taken apart only as far as needed: what nobody looks at stays the bytes that it was.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::{RawValue, to_raw_value};

/// The longest id that is kept; providers' are below 100 bytes.
const MAX_ID: usize = 256;

/// An object whose values are still text. Of a repeated name the last one counts, as in JavaScript.
#[derive(Debug, Default, Clone)]
pub(crate) struct Object<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, RawValue>)>,
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'a> Object<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> serde_json::Result<Self> {
        parse(bytes)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.members
            .iter()
            .rfind(|(n, _)| n == name)
            .map(|(_, value)| &**value)
    }

    /// The value of `name`, unless it is absent or null.
    pub(crate) fn some(&self, name: &str) -> Option<&RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// The value of `name` as a `T`; `None` when absent, null or of another type.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.some(name)?.get()).ok()
    }

    /// The value of `name` as an object, which is empty when it is none.
    pub(crate) fn object(&self, name: &str) -> Object<'_> {
        self.some(name)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }

    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.members.len();
        self.members.retain(|(n, _)| n != name);
        before != self.members.len()
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.members.retain(|(name, _)| keep(name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.members.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(crate) fn push(&mut self, name: Cow<'a, str>, value: &'a RawValue) {
        self.members.push((name, Cow::Borrowed(value)));
    }

    /// Gives `name` a value, in the place of its first occurrence or at the end.
    pub(crate) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        let Ok(raw) = to_raw_value(value) else { return };
        let mut fresh = Some(raw);
        self.members.retain_mut(|(n, value)| {
            if n != name {
                return true;
            }
            fresh.take().map(|raw| *value = Cow::Owned(raw)).is_some()
        });
        if let Some(raw) = fresh {
            self.members
                .push((Cow::Owned(name.to_owned()), Cow::Owned(raw)));
        }
    }

    /// The text of the object.
    pub(crate) fn to_bytes(&self, capacity: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(capacity);
        write(&mut bytes, self);
        bytes
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
            type Value = Object<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'a>, A::Error> {
                let mut object = Object::default();
                while let Some(Name(name)) = map.next_key()? {
                    object.push(name, map.next_value()?);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A string that is copied from one JSON text to another without being unescaped on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    /// A JSON string (or whatever else stood in its place), as written.
    Raw(&'a RawValue),
    /// Plain text.
    Plain(&'a str),
    /// A whole number.
    Number(u64),
}

impl<'a> Text<'a> {
    /// The text of a member, unless it is absent or empty.
    pub(crate) fn there(raw: Option<&'a RawValue>) -> Option<Self> {
        raw.map(Self::Raw).filter(|text| !text.is_empty())
    }
}

impl Text<'_> {
    /// The whole number that it is.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Raw(raw) => raw.get().parse().ok(),
            Self::Number(number) => Some(*number),
            Self::Plain(_) => None,
        }
    }

    /// The plain text of an id, unless it is empty.
    pub(crate) fn identifier(&self) -> Option<String> {
        match self {
            Self::Raw(raw) => string(raw).map(Cow::into_owned),
            Self::Plain(text) => Some((*text).to_owned()),
            Self::Number(_) => None,
        }
        .filter(|id| !id.is_empty() && id.len() <= MAX_ID)
    }

    /// How many bytes of text, escapes counted as written.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Raw(raw) => inner(raw).len(),
            Self::Plain(text) => text.len(),
            Self::Number(_) => 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::Raw)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
        }
    }
}

/// The inside of a JSON string, still escaped; empty for anything that is not a string.
pub(crate) fn inner(raw: &RawValue) -> &str {
    raw.get()
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or_default()
}

/// The plain text of a JSON string.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Name<'_>>(raw.get())
        .ok()
        .map(|name| name.0)
}

/// Whether a JSON string has nothing but white space.
pub(crate) fn is_blank(raw: &RawValue) -> bool {
    let mut rest = inner(raw);
    loop {
        rest = rest.trim_start();
        match ["\\n", "\\t", "\\r"]
            .iter()
            .find_map(|escape| rest.strip_prefix(escape))
        {
            Some(after) => rest = after,
            None => return rest.is_empty(),
        }
    }
}

/// One JSON string out of several.
pub(crate) fn concat<'a>(parts: impl Iterator<Item = &'a RawValue>) -> Option<Box<RawValue>> {
    let mut joined = String::from("\"");
    for part in parts {
        joined.push_str(inner(part));
    }
    joined.push('"');
    RawValue::from_string(joined).ok()
}

/// The text in one or several JSON strings; `None` when there are none.
pub(crate) fn joined<'a>(parts: &[&'a RawValue]) -> Option<Cow<'a, RawValue>> {
    match parts {
        [] => None,
        [one] => Some(Cow::Borrowed(*one)),
        several => concat(several.iter().copied()).map(Cow::Owned),
    }
}

/// Parses bytes. Whether they are UTF-8 is looked at once, and not again for each value.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        // The parser tells where.
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Appends `value` as JSON. Our own types serialize without failure.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
    }
}

/// A struct for the members of an object that we look at; the others are kept in `rest` as text.
/// (`#[serde(flatten)]` would build a tree of them.) Members after `always` are written as null
/// when there is none.
macro_rules! open_object {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }
        always { $($(#[$always_doc:meta])* $always:ident: $always_kind:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<'a> {
            $($(#[$doc])* pub(crate) $field: Option<$kind>,)*
            $($(#[$always_doc])* pub(crate) $always: Option<$always_kind>,)*
            /// What we do not know, as it came.
            pub(crate) rest: $crate::json::Object<'a>,
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members<'a>(std::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Members<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a JSON object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name<'a>, A::Error> {
                        let mut value = $name::default();
                        while let Some($crate::json::Name(name)) = map.next_key()? {
                            match &*name {
                                $(stringify!($field) => value.$field = map.next_value()?,)*
                                $(stringify!($always) => value.$always = map.next_value()?,)*
                                _ => value.rest.push(name, map.next_value()?),
                            }
                        }
                        Ok(value)
                    }
                }
                deserializer.deserialize_map(Members(std::marker::PhantomData))
            }
        }

        impl serde::Serialize for $name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $(if let Some(value) = &self.$field {
                    map.serialize_entry(stringify!($field), value)?;
                })*
                $(map.serialize_entry(stringify!($always), &self.$always)?;)*
                for (name, value) in self.rest.iter() {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    };
}
pub(crate) use open_object;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_member_replaces_every_occurrence_in_place() {
        let mut object = Object::parse(br#"{"a":1,"b":{"x": [1, 2]},"a":2}"#).unwrap();
        object.set("a", "new");
        object.set("c", &3);
        assert_eq!(
            object.to_bytes(0),
            br#"{"a":"new","b":{"x": [1, 2]},"c":3}"#
        );
    }

    #[test]
    fn the_last_of_repeated_members_counts() {
        let object = Object::parse(br#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(object.read::<u8>("a"), Some(2));
    }

    #[test]
    fn white_space_is_blank_also_when_escaped() {
        for (text, blank) in [
            (r#""""#, true),
            (r#"" \n\t ""#, true),
            (r#""\\n""#, false),
            (r#"" x""#, false),
        ] {
            assert_eq!(
                is_blank(serde_json::from_str(text).unwrap()),
                blank,
                "{text}"
            );
        }
    }
}
