//! Header fields from the command line, in the manner of curl; from a file too, since everyone on a machine can read its process list.
use std::io::Read;

use anyhow::{Context, bail};

/// The fields of a request.
#[derive(clap::Args)]
pub(crate) struct Headers {
    /// A header field, such as 'X-API-Key: …', or 'Accept;' for an empty one; @FILE takes fields from a file, @- from standard input. Repeatable
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    fields: Vec<String>,
    /// A file of header fields, one a line, so that no secret stands in the process list; - is standard input
    #[arg(long, value_name = "FILE")]
    header_file: Option<String>,
}

impl Headers {
    /// Every field as name and value, in the order given.
    ///
    /// # Errors
    /// When one is no field or a file cannot be read; says which one, and never what stands in it.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for (at, text) in self.fields.iter().enumerate() {
            match text.strip_prefix('@') {
                Some(file) => read_file(file, &mut all)?,
                None => all.push(parse(text).with_context(|| format!("header field {}", at + 1))?),
            }
        }
        if let Some(file) = &self.header_file {
            read_file(file, &mut all)?;
        }
        Ok(all)
    }
}

/// What stands in `file`, or is read from standard input when it is `-`.
pub(crate) fn read(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {file}"))?;
    Ok(bytes)
}

fn read_file(file: &str, into: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let text = String::from_utf8(read(file)?).map_err(|_| anyhow::anyhow!("{file} is not UTF-8"))?;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        into.push(parse(line).with_context(|| format!("line {} of {file}", at + 1))?);
    }
    Ok(())
}

fn parse(text: &str) -> anyhow::Result<(String, String)> {
    // curl's form of an empty field
    let empty = || text.trim_end().strip_suffix(';').map(|name| (name, ""));
    let Some((name, value)) = text.split_once(':').or_else(empty) else { bail!("a header field is written `Name: value`") };
    let (name, value) = (name.trim(), value.trim());
    if hyper::header::HeaderName::try_from(name).is_err() || hyper::header::HeaderValue::try_from(value).is_err() {
        bail!("it has characters that no header field can have");
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_split_at_its_first_colon_and_what_is_none_is_not_repeated() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parse("Authorization:Basic a:b ").expect("a field"), pair("Authorization", "Basic a:b"));
        assert_eq!(parse("X-Empty:").expect("a field"), pair("X-Empty", ""));
        assert_eq!(parse("Accept;").expect("a field"), pair("Accept", ""));
        assert_eq!(parse("Accept: a;").expect("a field"), pair("Accept", "a;"));
        for wrong in ["hunter2", "hunter2 hunter2;", "hunter2;q=1", "a b: hunter2", ": hunter2", "a: hunter2\r\nb: c"] {
            let said = format!("{:#}", parse(wrong).expect_err(wrong));
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
