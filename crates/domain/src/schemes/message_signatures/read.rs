//! `Signature-Input` and `Signature` (RFC 9421, section 4) as structured fields: which signature is ours, and what it says.
use std::borrow::Cow;

use sfv::{
    BareItemFromInput, KeyRef, Parser, StringRef, Version,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, Never, ParameterVisitor},
};

use super::{Parameters, is_supported};

/// The longest field value that is looked at.
const LONGEST: usize = 4096;
/// The most signatures of a request: our client's, and those of proxies on the way.
const MOST_SIGNATURES: usize = 8;
/// The most components of a signature.
const MOST_COMPONENTS: usize = 32;

/// Why no one signature could be taken from the two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not two dictionaries as RFC 9421 describes, too long, or something in them stands twice.
    #[error("Send Signature-Input and Signature as RFC 9421 describes them.")]
    Malformed,
    /// The two fields do not have the same labels.
    #[error("Give every signature the same label in Signature-Input and in Signature.")]
    LabelsDiffer,
    /// None has a `keyid` of ours.
    #[error("Name your key in the signature's keyid.")]
    NoneOurs,
    /// More than one has.
    #[error("Send one signature only.")]
    SeveralOurs,
}

/// Finds the one signature whose `keyid` satisfies `is_ours`. Others, as proxies add them, are passed over.
///
/// # Errors
/// When there is none or several, or the fields cannot be read in one way only.
pub fn parse<'a>(input: &'a [u8], signature: &'a [u8], is_ours: impl Fn(&str) -> bool) -> Result<Parameters<'a>, Unreadable> {
    if input.len() > LONGEST || signature.len() > LONGEST {
        return Err(Unreadable::Malformed);
    }
    let dictionary = |value| Parser::new(value).with_version(Version::Rfc8941);
    let inputs = dictionary(input).parse_dictionary_with_visitor(Inputs(Vec::new())).map_err(|_| Unreadable::Malformed)?;
    let mut signatures = dictionary(signature).parse_dictionary_with_visitor(Signatures(Vec::new())).map_err(|_| Unreadable::Malformed)?;
    let same = inputs.len() == signatures.len() && inputs.iter().all(|input| signatures.iter().any(|(label, _)| *label == input.label));
    if !same {
        return Err(Unreadable::LabelsDiffer);
    }
    let mut ours = inputs.iter().enumerate().filter(|(_, input)| input.key_id.is_some_and(&is_ours));
    let (index, found) = ours.next().ok_or(Unreadable::NoneOurs)?;
    if ours.next().is_some() {
        return Err(Unreadable::SeveralOurs);
    }
    let end = inputs.get(index + 1).map_or(input.len(), |next| offset(input, next.label));
    let start = offset(input, found.label) + found.label.len() + 1;
    let position = signatures.iter().position(|(label, _)| *label == found.label).ok_or(Unreadable::LabelsDiffer)?;
    match (&found.trouble, found.key_id) {
        (false, Some(key_id)) => Ok(Parameters {
            label: found.label,
            key_id,
            algorithm: found.algorithm,
            created: found.created,
            expires: found.expires,
            nonce: found.nonce,
            tag: found.tag,
            components: found.components.clone(),
            unsupported: found.unsupported,
            input: trim_end(input.get(start..end).unwrap_or_default()),
            signature: signatures.swap_remove(position).1,
        }),
        _ => Err(Unreadable::Malformed),
    }
}

/// Where in `input` the label stands, which the parser borrowed from it.
fn offset(input: &[u8], label: &str) -> usize {
    label.as_ptr().addr().saturating_sub(input.as_ptr().addr())
}

/// Takes off what separates two members of a dictionary; no value ends so.
fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t' | b','] = value {
        value = rest;
    }
    value
}

#[derive(Debug, thiserror::Error)]
#[error("not as RFC 9421 describes")]
struct Refused;

/// What `Signature-Input` says of one signature.
#[derive(Default)]
struct Input<'a> {
    label: &'a str,
    components: Vec<&'a str>,
    unsupported: Option<&'a str>,
    key_id: Option<&'a str>,
    algorithm: Option<&'a str>,
    created: Option<i64>,
    expires: Option<i64>,
    nonce: Option<&'a str>,
    tag: Option<&'a str>,
    /// It could not be one of ours: a wrong type, something twice, an unknown parameter. Forgiven to the signatures of others.
    trouble: bool,
}

impl<'a> Input<'a> {
    fn set(&mut self, key: &str, value: BareItemFromInput<'a>) -> Option<()> {
        fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
            slot.replace(value?).is_none().then_some(())
        }
        match key {
            "keyid" => once(&mut self.key_id, plain(value)),
            "alg" => once(&mut self.algorithm, plain(value)),
            "nonce" => once(&mut self.nonce, plain(value)),
            "tag" => once(&mut self.tag, plain(value)),
            "created" => once(&mut self.created, integer(value)),
            "expires" => once(&mut self.expires, integer(value)),
            _ => None,
        }
    }
}

/// A string without escapes, which is all that borrows.
fn plain(value: BareItemFromInput<'_>) -> Option<&str> {
    match value {
        BareItemFromInput::String(Cow::Borrowed(text)) => Some(StringRef::as_str(text)),
        _ => None,
    }
}

fn integer(value: BareItemFromInput<'_>) -> Option<i64> {
    if let BareItemFromInput::Integer(number) = value { Some(number.into()) } else { None }
}

struct Inputs<'a>(Vec<Input<'a>>);

impl<'a> DictionaryVisitor<'a> for Inputs<'a> {
    type Out = Vec<Input<'a>>;
    type Error = Refused;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        let label = key.as_str();
        if self.0.len() == MOST_SIGNATURES || self.0.iter().any(|other| other.label == label) {
            return Err(Refused);
        }
        self.0.push(Input { label, ..Input::default() });
        self.0.last_mut().ok_or(Refused)
    }

    fn finish(self) -> Result<Self::Out, Refused> {
        Ok(self.0)
    }
}

impl<'a> EntryVisitor<'a> for &mut Input<'a> {
    type Error = Refused;

    fn item(self) -> Result<impl ItemVisitor<'a>, Refused> {
        Err::<Never, _>(Refused)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Refused> {
        Ok(self)
    }
}

impl<'a> InnerListVisitor<'a> for &mut Input<'a> {
    type Error = Refused;

    fn item(&mut self) -> Result<impl ItemVisitor<'a>, Refused> {
        if self.components.len() == MOST_COMPONENTS { Err(Refused) } else { Ok(Component(self)) }
    }

    fn finish(self) -> Result<impl ParameterVisitor<'a>, Refused> {
        Ok(self)
    }
}

impl<'a> ParameterVisitor<'a> for &mut Input<'a> {
    type Out = ();
    type Error = Refused;

    fn parameter(&mut self, key: &'a KeyRef, value: BareItemFromInput<'a>) -> Result<(), Refused> {
        let set = self.set(key.as_str(), value);
        self.trouble |= set.is_none();
        Ok(())
    }

    fn finish(self) -> Result<(), Refused> {
        Ok(())
    }
}

/// A component of a signature: a name, and in other people's signatures parameters.
struct Component<'i, 'a>(&'i mut Input<'a>);

impl<'a> ItemVisitor<'a> for Component<'_, 'a> {
    type Out = ();
    type Error = Refused;

    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a, Out = ()>, Refused> {
        match plain(item) {
            Some(name) => {
                self.0.components.push(name);
                if !is_supported(name) {
                    self.0.unsupported.get_or_insert(name);
                }
            }
            None => self.0.trouble = true,
        }
        Ok(self)
    }
}

impl<'a> ParameterVisitor<'a> for Component<'_, 'a> {
    type Out = ();
    type Error = Refused;

    fn parameter(&mut self, _: &'a KeyRef, _: BareItemFromInput<'a>) -> Result<(), Refused> {
        if let Some(name) = self.0.components.last() {
            self.0.unsupported.get_or_insert(name);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Refused> {
        Ok(())
    }
}

struct Signatures<'a>(Vec<(&'a str, Vec<u8>)>);

impl<'a> DictionaryVisitor<'a> for Signatures<'a> {
    type Out = Vec<(&'a str, Vec<u8>)>;
    type Error = Refused;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        let label = key.as_str();
        if self.0.len() == MOST_SIGNATURES || self.0.iter().any(|(other, _)| *other == label) {
            return Err(Refused);
        }
        self.0.push((label, Vec::new()));
        self.0.last_mut().map(|(_, bytes)| Bytes(bytes)).ok_or(Refused)
    }

    fn finish(self) -> Result<Self::Out, Refused> {
        Ok(self.0)
    }
}

struct Bytes<'s>(&'s mut Vec<u8>);

impl<'a> EntryVisitor<'a> for Bytes<'_> {
    type Error = Refused;

    fn item(self) -> Result<impl ItemVisitor<'a>, Refused> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Refused> {
        Err::<Never, _>(Refused)
    }
}

impl<'a> ItemVisitor<'a> for Bytes<'_> {
    type Out = ();
    type Error = Refused;

    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a, Out = ()>, Refused> {
        let BareItemFromInput::ByteSequence(bytes) = item else { return Err(Refused) };
        *self.0 = bytes;
        Ok(Ignored)
    }
}
