//! XML bodies: what stands in an element or an attribute with a secret name is left out. Not for reading calls; see `schemes::legacy`.
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
    name::QName,
};

use super::{LEFT_OUT, Redactor, is_secret};

impl Redactor {
    /// None when it is not well-formed, or has a document type.
    pub(super) fn xml(&self, body: &str) -> Option<String> {
        let mut reader = Reader::from_str(body);
        let (mut kept, mut open) = (String::with_capacity(body.len()), Vec::new());
        loop {
            let secret = open.last().copied().unwrap_or(false);
            match reader.read_event().ok()? {
                Event::Start(element) => {
                    self.element(&element, ">", &mut kept)?;
                    open.push(secret || hides_its_content(element.name()));
                }
                Event::Empty(element) => self.element(&element, "/>", &mut kept)?,
                Event::End(element) => {
                    open.pop()?;
                    kept.push_str(&format!("</{}>", self.text(element.name().as_ref())));
                }
                Event::Text(text) if text.trim().is_empty() => kept.push_str(&text),
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if secret => {
                    if !kept.ends_with(LEFT_OUT) {
                        kept.push_str(LEFT_OUT);
                    }
                }
                Event::Text(text) => kept.push_str(&self.text(&text)),
                Event::CData(text) => kept.push_str(&format!("<![CDATA[{}]]>", self.text(&text))),
                Event::GeneralRef(name) if is_defined(&name) => kept.push_str(&format!("&{};", &*name)),
                // without a document type there are no others: what is written as one could be anything
                Event::GeneralRef(_) => return None,
                // no one needs them to know what was asked
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::DocType(_) => return None,
                Event::Eof => return open.is_empty().then_some(kept),
            }
        }
    }

    /// None when its attributes cannot be read.
    fn element(&self, element: &BytesStart<'_>, end: &str, kept: &mut String) -> Option<()> {
        kept.push('<');
        kept.push_str(&self.text(element.name().as_ref()));
        for attribute in element.attributes() {
            let attribute = attribute.ok()?;
            let name = self.text(attribute.key.as_ref());
            let value = &attribute.value;
            let value = if hides_its_content(attribute.key) { LEFT_OUT.to_owned() } else { self.text(value).replace('"', "&quot;") };
            kept.push_str(&format!(" {name}=\"{value}\""));
        }
        kept.push_str(end);
        Some(())
    }
}

/// Whether `&name;` is one of XML's own five entities, or a character (XML 1.0, sections 4.1 and 4.6).
fn is_defined(name: &str) -> bool {
    let number = |digits: &str, is_digit: fn(&u8) -> bool| (1..=7).contains(&digits.len()) && digits.as_bytes().iter().all(is_digit);
    match name.strip_prefix('#') {
        Some(character) => {
            character.strip_prefix('x').map_or_else(|| number(character, u8::is_ascii_digit), |hex| number(hex, u8::is_ascii_hexdigit))
        }
        None => ["amp", "lt", "gt", "quot", "apos"].contains(&name),
    }
}

/// `authentication` is what the legacy interface calls the element around a username and a password: the one of the two may be kept.
fn hides_its_content(name: QName<'_>) -> bool {
    let name = name.local_name().into_inner();
    name != "authentication" && is_secret(name)
}
