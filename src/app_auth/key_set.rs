//! A JSON Web Key Set (RFC 7517): the public keys with which an app signs its tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::jwt::{Signature, TokenHeader, VerifyingKey};

/// Further keys of a set are left out. Those who sign have two or three.
const MAX_KEYS: usize = 100;

/// The keys of a set that can be used. Others, and what else it says, are left out.
#[derive(Default)]
pub struct KeySet(Vec<NamedKey>);

struct NamedKey {
    id: Option<String>,
    key: VerifyingKey,
}

/// It is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON Web Key Set (RFC 7517): an object with a list `keys`")]
pub struct NoKeySet;

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

/// A key as it is written. One whose fields have other types is left out.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// # Errors
    /// It is no key set.
    pub fn parse(json: &[u8]) -> Result<Self, NoKeySet> {
        let set: Value = serde_json::from_slice(json).map_err(|_| NoKeySet)?;
        if !set.is_object() {
            return Err(NoKeySet);
        }
        let Jwks { keys } = Jwks::deserialize(set).map_err(|_| NoKeySet)?;
        let keys = keys.into_iter().filter(Value::is_object).filter_map(|key| {
            let jwk = Jwk::deserialize(key).ok()?;
            Some(NamedKey { key: jwk.verifying()?, id: jwk.kid })
        });
        Ok(Self(keys.take(MAX_KEYS).collect()))
    }

    /// The key of a token: the one that it names, or, if it names none, the only one of its algorithm.
    pub fn find(&self, header: &TokenHeader) -> Option<&VerifyingKey> {
        let mut fit = self.0.iter().filter(|one| one.key.signature() == header.signature);
        if header.key_id.is_some() {
            return fit.find(|one| one.id == header.key_id).map(|one| &one.key);
        }
        let only = fit.next();
        only.filter(|_| fit.next().is_none()).map(|one| &one.key)
    }
}

impl Jwk {
    /// The key for the one algorithm that its type has here. None if it is for something else: what it is for must not be left to
    /// the token.
    fn verifying(&self) -> Option<VerifyingKey> {
        let is_for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let operations = self.key_ops.as_deref();
        let may_verify =
            operations.is_none_or(|them| them.iter().any(|operation| operation == "verify"));
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                VerifyingKey::of_rsa(&bytes(self.n.as_deref())?, &bytes(self.e.as_deref())?)?
            }
            ("EC", Some("P-256")) => {
                VerifyingKey::of_p256(&bytes(self.x.as_deref())?, &bytes(self.y.as_deref())?)?
            }
            ("OKP", Some("Ed25519")) => VerifyingKey::of_ed25519(&bytes(self.x.as_deref())?)?,
            // Also a secret (`oct`): what anybody can fetch signs nothing.
            _ => return None,
        };
        let is_its_algorithm = match (key.signature(), self.alg.as_deref()) {
            (Signature::Rs256, alg) => alg.is_none_or(|alg| alg == "RS256"),
            (Signature::Es256, alg) => alg.is_none_or(|alg| alg == "ES256"),
            (Signature::EdDsa, alg) => alg.is_none_or(|alg| alg == "EdDSA" || alg == "Ed25519"),
            (Signature::Hs256, _) => false,
        };
        (is_for_signatures && may_verify && is_its_algorithm).then_some(key)
    }
}

fn bytes(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(keys: &Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn header(signature: Signature, key_id: Option<&str>) -> TokenHeader {
        TokenHeader { signature, key_id: key_id.map(str::to_owned) }
    }

    fn ed25519(id: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode([7; 32])})
    }

    fn with(mut key: Value, field: &str, value: Value) -> Value {
        key[field] = value;
        key
    }

    #[test]
    fn a_key_is_for_the_algorithm_of_its_type_and_for_no_other() {
        let rsa =
            json!({"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([255; 256]), "e": "AQAB"});
        let coordinate = URL_SAFE_NO_PAD.encode([1; 32]);
        let p256 =
            json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": coordinate, "y": coordinate});
        let algorithms = [Signature::Hs256, Signature::Rs256, Signature::Es256, Signature::EdDsa];
        let cases = [
            (rsa, Signature::Rs256, "RS256"),
            (p256, Signature::Es256, "ES256"),
            (ed25519("k"), Signature::EdDsa, "EdDSA"),
        ];
        for (key, own, name) in cases {
            for key in [key.clone(), with(key.clone(), "alg", json!(name))] {
                let set = of(&json!([key]));
                for algorithm in algorithms {
                    let found = set.find(&header(algorithm, Some("k"))).is_some();
                    assert_eq!(found, algorithm == own, "{algorithm:?} {key}");
                    assert_eq!(set.find(&header(algorithm, None)).is_some(), found);
                }
            }
            for (field, value) in [
                ("alg", json!("PS256")),
                ("alg", json!("HS256")),
                ("use", json!("enc")),
                ("key_ops", json!(["sign"])),
                ("key_ops", json!([])),
                ("x", json!(null)),
            ] {
                let changed = with(key.clone(), field, value);
                let is_left_out = field == "x" && own == Signature::Rs256;
                assert_eq!(of(&json!([changed])).0.len(), usize::from(is_left_out), "{changed}");
            }
        }
    }

    #[test]
    fn keys_that_cannot_be_used_do_not_spoil_the_others() {
        let set = of(&json!([
            {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
            {"kty": "EC", "crv": "P-521", "kid": "k", "x": "AA", "y": "AA"},
            {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "AA"},
            {"kid": "k"}, 7, null, ["OKP"],
            ed25519("k"),
        ]));
        assert_eq!(set.0.len(), 1);
        assert!(set.find(&header(Signature::EdDsa, Some("k"))).is_some());
        assert!(set.find(&header(Signature::Hs256, Some("k"))).is_none());
    }

    #[test]
    fn a_token_that_names_no_key_has_the_only_one_or_none() {
        let set = of(&json!([ed25519("first"), ed25519("second")]));
        assert!(set.find(&header(Signature::EdDsa, None)).is_none(), "which one?");
        assert!(set.find(&header(Signature::EdDsa, Some("second"))).is_some());
        assert!(set.find(&header(Signature::EdDsa, Some("third"))).is_none());
    }

    #[test]
    fn what_is_no_set_is_refused_and_a_long_one_is_cut() {
        for garbage in ["", "[]", "{}", "null", r#"{"keys":{}}"#, "<html>", r#"[["a"]]"#] {
            assert_eq!(KeySet::parse(garbage.as_bytes()).err(), Some(NoKeySet), "{garbage}");
        }
        let many: Vec<_> = (0..1_000).map(|number| ed25519(&number.to_string())).collect();
        assert_eq!(of(&json!(many)).0.len(), MAX_KEYS);
    }

    #[test]
    fn a_zero_before_a_number_does_not_count() {
        let modulus = [&[0][..], &[255; 256]].concat();
        let rsa = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus) + "=", "e": "AAEAAQ"});
        assert_eq!(of(&json!([rsa])).0.len(), 1);
    }
}
