//! AWS Signature Version 4, verified from the request alone
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).

use std::fmt::Write;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

use super::super::connection::Request;

/// A key that the scripted Bedrock knows.
#[derive(Debug, Clone, Copy)]
pub struct AwsKey {
    /// Its id.
    pub id: &'static str,
    /// What signs.
    pub secret: &'static str,
    /// The session that it belongs to, where it is temporary.
    pub session: Option<&'static str>,
}

/// A key of a user.
pub const AWS_KEY: AwsKey = AwsKey {
    id: "AKIASCRIPTEDUSER0001",
    secret: "scripted/Secret+of/a+user/0123456789abcd",
    session: None,
};
/// A key of a role, for some hours.
pub const AWS_SESSION_KEY: AwsKey = AwsKey {
    id: "ASIASCRIPTEDROLE0001",
    secret: "scripted/Secret+of/a+role/0123456789abcd",
    session: Some("scripted//session+token=="),
};

/// How old a signature may be, and how far in the future.
const SKEW_SECONDS: i64 = 300;

/// Why a signature is refused: the error's type and its message.
pub(super) type Refused = (&'static str, String);

/// What the header says.
struct Authorization<'a> {
    key: AwsKey,
    date: &'a str,
    region: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

/// Verifies the signature of a request to `service`; gives back the region that it is for.
pub(super) fn verify(request: &Request, service: &str) -> Result<String, Refused> {
    let authorization = parse(once(request, "authorization")?, service)?;
    check_session(request, authorization.key)?;
    let time = once(request, "x-amz-date")?;
    check_time(time, authorization.date)?;
    check_signed(request, &authorization.signed)?;
    let payload = hex::encode(Sha256::digest(&request.body));
    if let Some(claimed) = request.header("x-amz-content-sha256")
        && claimed != payload
    {
        return Err(mismatch("x-amz-content-sha256 is not the body's"));
    }
    let canonical = canonical(request, &authorization.signed, &payload);
    let Authorization {
        key,
        date,
        region,
        signature,
        ..
    } = authorization;
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let hashed = hex::encode(Sha256::digest(&canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}");
    let mut signing_key = format!("AWS4{}", key.secret).into_bytes();
    for part in [date, region, service, "aws4_request"] {
        signing_key = hmac(&signing_key, part.as_bytes());
    }
    if hex::encode(hmac(&signing_key, to_sign.as_bytes())) != signature {
        return Err(mismatch(&format!(
            "The Canonical String for this request should have been\n'{canonical}'"
        )));
    }
    Ok(region.to_owned())
}

fn mismatch(why: &str) -> Refused {
    let message = "The request signature we calculated does not match the signature you provided.";
    ("InvalidSignatureException", format!("{message} {why}"))
}

fn incomplete(why: String) -> Refused {
    ("IncompleteSignatureException", why)
}

/// The value of a header that must be there once.
fn once<'a>(request: &'a Request, name: &str) -> Result<&'a str, Refused> {
    let mut values = values(request, name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err((
            "MissingAuthenticationTokenException",
            format!("Missing {name}"),
        )),
        (Some(_), Some(_)) => Err(incomplete(format!("{name} is there more than once"))),
    }
}

fn values<'a>(request: &'a Request, name: &str) -> impl Iterator<Item = &'a str> {
    request
        .headers
        .iter()
        .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn parse<'a>(header: &'a str, service: &str) -> Result<Authorization<'a>, Refused> {
    let broken = || incomplete(format!("Authorization header is not readable: {header}"));
    let fields = header
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or_else(broken)?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(broken)
    };
    let credential: Vec<&str> = field("Credential")?.split('/').collect();
    let [id, date, region, named, "aws4_request"] = credential[..] else {
        return Err(broken());
    };
    if named != service {
        let why = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(("InvalidSignatureException", why));
    }
    let known = [AWS_KEY, AWS_SESSION_KEY];
    let key = known.into_iter().find(|key| key.id == id).ok_or((
        "UnrecognizedClientException",
        "The security token included in the request is invalid.".to_owned(),
    ))?;
    Ok(Authorization {
        key,
        date,
        region,
        signed: field("SignedHeaders")?.split(';').collect(),
        signature: field("Signature")?,
    })
}

fn check_session(request: &Request, key: AwsKey) -> Result<(), Refused> {
    let given: Vec<&str> = values(request, "x-amz-security-token").collect();
    if given == key.session.into_iter().collect::<Vec<_>>() {
        return Ok(());
    }
    let message = "The security token included in the request is invalid.";
    Err(("UnrecognizedClientException", message.to_owned()))
}

fn check_time(time: &str, date: &str) -> Result<(), Refused> {
    let signed = DateTime::strptime("%Y%m%dT%H%M%SZ", time)
        .and_then(|time| TimeZone::UTC.to_timestamp(time))
        .map_err(|_| incomplete(format!("x-amz-date is not readable: {time}")))?;
    let age = Timestamp::now().as_second() - signed.as_second();
    if age.abs() > SKEW_SECONDS || !time.starts_with(date) {
        return Err(mismatch(&format!(
            "Signature expired: {time} is {age} s old"
        )));
    }
    Ok(())
}

/// Host, content type and all of AWS's own headers must be signed, in order.
fn check_signed(request: &Request, signed: &[&str]) -> Result<(), Refused> {
    let must = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .filter(|name| name == "host" || name == "content-type" || name.starts_with("x-amz-"));
    if let Some(unsigned) = must
        .into_iter()
        .find(|name| !signed.contains(&name.as_str()))
    {
        return Err(incomplete(format!("{unsigned} is not signed")));
    }
    if !signed.is_sorted() {
        return Err(incomplete("SignedHeaders are not sorted".to_owned()));
    }
    match signed.iter().find(|name| request.header(name).is_none()) {
        Some(missing) => Err(incomplete(format!("{missing} is signed, and not there"))),
        None => Ok(()),
    }
}

fn canonical(request: &Request, signed: &[&str], payload: &str) -> String {
    let mut text = format!("{}\n{}\n", request.method, canonical_path(&request.path));
    let mut query: Vec<&str> = request.query.split('&').filter(|q| !q.is_empty()).collect();
    query.sort_unstable();
    let _ = writeln!(text, "{}", query.join("&"));
    for name in signed {
        let all: Vec<String> = values(request, name)
            .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let _ = writeln!(text, "{name}:{}", all.join(","));
    }
    let _ = write!(text, "\n{}\n{payload}", signed.join(";"));
    text
}

/// Each segment is encoded once more, whatever it holds already: so it is for all services but S3.
fn canonical_path(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message);
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize())
        .finalize()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyed_hash_is_that_of_rfc_4231() {
        let found = hmac(b"Jefe", b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(found), expected);
    }

    #[test]
    fn an_encoded_path_is_encoded_again() {
        let path = "/model/us.amazon.nova-lite-v1%3A0/converse";
        assert_eq!(
            canonical_path(path),
            "/model/us.amazon.nova-lite-v1%253A0/converse"
        );
    }
}
