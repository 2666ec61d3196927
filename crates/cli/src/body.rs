//! The body of a request from the command line, in the manner of curl: pieces in the order given, joined by `&`.
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::headers::read;

/// The flags that give a piece of a body, and what `@FILE` means to them.
const FLAGS: [(&str, Option<char>, File, &str); 3] = [
    (
        "data",
        Some('d'),
        File::WithoutLineEnds,
        "A piece of the body; @FILE takes it from a file without its line ends, @- from standard input. Repeatable, joined by &",
    ),
    ("data-raw", None, File::None, "The same, in which @ is a letter like any other"),
    ("data-binary", None, File::AsItIs, "The same, of which @FILE takes a file as it is"),
];

#[derive(Clone, Copy)]
enum File {
    None,
    AsItIs,
    /// Nor bytes of zero.
    WithoutLineEnds,
}

impl File {
    fn piece(self, text: &str) -> anyhow::Result<Vec<u8>> {
        match (self, text.strip_prefix('@')) {
            (Self::AsItIs, Some(file)) => read(file),
            (Self::WithoutLineEnds, Some(file)) => {
                let mut bytes = read(file)?;
                bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
                Ok(bytes)
            }
            _ => Ok(text.as_bytes().to_vec()),
        }
    }
}

/// The pieces, in the order given. No `Debug`: they may hold a password.
#[derive(Default)]
pub(crate) struct Body(Vec<(File, String)>);

impl Body {
    /// All of it; None when there is none.
    ///
    /// # Errors
    /// When a file cannot be read; says which one.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let pieces = self.0.iter().map(|(file, text)| file.piece(text)).collect::<Result<Vec<_>, _>>()?;
        Ok((!pieces.is_empty()).then(|| pieces.join(&b'&')))
    }
}

// by hand, since what clap derives forgets in which order different flags came
impl Args for Body {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.map(|(name, short, _, help)| {
            let flag = Arg::new(name).long(name).value_name("BODY").action(ArgAction::Append).help(help);
            if let Some(short) = short { flag.short(short) } else { flag }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Body {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(name, _, file, _): (&str, _, File, _)| {
            let texts = matches.get_many::<String>(name).into_iter().flatten().cloned();
            matches.indices_of(name).into_iter().flatten().zip(texts).map(move |(at, text)| (at, file, text)).collect::<Vec<_>>()
        };
        let mut pieces: Vec<_> = FLAGS.into_iter().flat_map(given).collect();
        pieces.sort_by_key(|(at, ..)| *at);
        Ok(Self(pieces.into_iter().map(|(_, file, text)| (file, text)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_in_the_order_given_and_only_some_are_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("lines");
        std::fs::write(&file, "a\r\nb\n\0").expect("written");
        let at_file = format!("@{}", file.display());
        for (arguments, expected) in [
            (&[][..], None),
            (&["-d", ""], Some("".to_owned())),
            (&["-d", "a=1", "--data-raw", "@b", "--data", "c"], Some("a=1&@b&c".to_owned())),
            (&["--data-binary", &at_file, "-d", &at_file, "--data-raw", &at_file], Some(format!("a\r\nb\n\0&ab&{at_file}"))),
        ] {
            let matches = Body::augment_args(Command::new("curl").no_binary_name(true)).try_get_matches_from(arguments).expect("flags");
            let body = Body::from_arg_matches(&matches).expect("a body").read().expect("read");
            assert_eq!(body.map(|body| String::from_utf8(body).expect("text")), expected, "{arguments:?}");
        }
    }
}
