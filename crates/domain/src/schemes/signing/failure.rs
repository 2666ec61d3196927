//! Why a signed request is refused, in words for people and codes for programs.

/// Why a signed request is refused. For the console and the operator; the client itself only learns that it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Neither `Date` nor `X-Date`, nor a `created`, whichever the dialect asks for.
    #[error("Send a date, and sign it.")]
    MissingDate,
    /// A date is there, and not in the signed list.
    #[error("Sign the date: add it to the list of signed headers.")]
    DateUnsigned,
    /// A signed date that is not an HTTP date (RFC 9110, section 5.6.7) or not a number of seconds.
    #[error("Write the date as in: Sat, 30 Jul 2016 05:13:23 GMT.")]
    DateMalformed,
    /// A signed date outside the window.
    #[error("Set the client's clock: the signed date is {} s {} ours.", .difference_seconds.unsigned_abs(), if *.difference_seconds < 0 { "behind" } else { "ahead of" })]
    DateOutside {
        /// Whole seconds by which the signed date is later than our clock; negative: earlier.
        difference_seconds: i64,
    },
    /// Past its `expires`.
    #[error("Sign again: this signature has expired.")]
    Expired,
    /// Neither `request-line` nor `@request-target` in the signed list, or `@request-target` with a method that is not in upper case.
    #[error("Sign the request line: add request-line to the list of signed headers.")]
    RequestLineUnsigned,
    /// A part of the request that this dialect demands is not signed.
    #[error("Sign {0} too.")]
    ComponentUnsigned(&'static str),
    /// A part of the request that we cannot sign: an unknown `@name`, or one with parameters.
    #[error("Leave {0} out of the signed list: it is not supported here.")]
    ComponentUnsupported(String),
    /// A signed header that the request does not have.
    #[error("Send the header {0}, or leave it out of the signed list.")]
    SignedHeaderMissing(String),
    /// A signed header that stands in the request several times, or in the list twice.
    #[error("Send and list the header {0} once.")]
    SignedHeaderRepeated(String),
    /// A signed header whose value could be read in two ways: it holds a line end or another control character.
    #[error("Send a header {0} without control characters.")]
    SignedHeaderMalformed(String),
    /// The method is not a token, or the target holds a space or a control character; or it is no path where one is needed.
    #[error("Send a request line that can be read in one way only.")]
    RequestMalformed,
    /// `hmac-sha1`, where the installation has switched it off.
    #[error("Sign with hmac-sha256: hmac-sha1 is switched off here.")]
    AlgorithmOff,
    /// The request names an algorithm that the key was not prepared for. The algorithm comes from the key.
    #[error("Sign with the algorithm of this key.")]
    AlgorithmOther,
    /// There is a body, and no digest of it.
    #[error("Send a digest of the body, and sign it.")]
    DigestMissing,
    /// There is a body, and its digest is not signed.
    #[error("Sign the body's digest: add its header to the list of signed headers.")]
    DigestUnsigned,
    /// A signed digest that cannot be read, or only of hashes we do not accept.
    #[error("Send the digest in {0} in a form described in the documentation.")]
    DigestMalformed(String),
    /// The signature is right, and the body is not what was signed.
    #[error("The body is not the one that was signed; look for something that changes it on the way.")]
    DigestMismatch,
    /// The signature is not that of the string we signed, with this key.
    #[error("Compare the string you signed with ours, and check the secret.")]
    SignatureMismatch,
}

impl Failure {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingDate => "date_missing",
            Self::DateUnsigned => "date_unsigned",
            Self::DateMalformed => "date_malformed",
            Self::DateOutside { .. } => "date_outside",
            Self::Expired => "signature_expired",
            Self::RequestLineUnsigned => "request_line_unsigned",
            Self::ComponentUnsigned(_) => "component_unsigned",
            Self::ComponentUnsupported(_) => "component_unsupported",
            Self::SignedHeaderMissing(_) => "signed_header_missing",
            Self::SignedHeaderRepeated(_) => "signed_header_repeated",
            Self::SignedHeaderMalformed(_) => "signed_header_malformed",
            Self::RequestMalformed => "request_malformed",
            Self::AlgorithmOff => "algorithm_off",
            Self::AlgorithmOther => "algorithm_other",
            Self::DigestMissing => "digest_missing",
            Self::DigestUnsigned => "digest_unsigned",
            Self::DigestMalformed(_) => "digest_malformed",
            Self::DigestMismatch => "digest_mismatch",
            Self::SignatureMismatch => "signature_mismatch",
        }
    }
}
