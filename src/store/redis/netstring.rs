//! Values one after the other, each with its length in bytes before it: what scripts and this code hand each other. A value may
//! hold anything, and is never escaped. (Netstrings, without their commas.)

use std::io::Write;

/// Packs values.
#[derive(Debug, Default)]
pub(super) struct Packer(Vec<u8>);

impl Packer {
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        write!(self.0, "{}:", value.len()).expect("a Vec takes everything");
        self.0.extend_from_slice(value);
        self
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub fn number(&mut self, value: impl Into<i128>) -> &mut Self {
        self.text(&value.into().to_string())
    }

    /// `1` or `0`.
    pub fn switch(&mut self, value: bool) -> &mut Self {
        self.text(if value { "1" } else { "0" })
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values out, in their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unpacker<'packed>(&'packed [u8]);

/// What was read is not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis holds what this version does not understand")]
pub(super) struct Malformed;

impl<'packed> Unpacker<'packed> {
    pub fn new(packed: &'packed [u8]) -> Self {
        Self(packed)
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// What was not taken out yet.
    pub fn rest(self) -> &'packed [u8] {
        self.0
    }

    pub fn bytes(&mut self) -> Result<&'packed [u8], Malformed> {
        let colon = self.0.iter().position(|byte| *byte == b':').ok_or(Malformed)?;
        let length: usize = parse(&self.0[..colon])?;
        let value = self.0[colon + 1..].get(..length).ok_or(Malformed)?;
        self.0 = &self.0[colon + 1 + length..];
        Ok(value)
    }

    pub fn text(&mut self) -> Result<&'packed str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T, Malformed> {
        parse(self.bytes()?)
    }

    pub fn optional_number<T: std::str::FromStr>(&mut self) -> Result<Option<T>, Malformed> {
        match self.bytes()? {
            [] => Ok(None),
            number => parse(number).map(Some),
        }
    }

    pub fn switch(&mut self) -> Result<bool, Malformed> {
        Ok(self.bytes()? == b"1")
    }

    /// A value that is itself packed.
    pub fn packed(&mut self) -> Result<Self, Malformed> {
        self.bytes().map(Self)
    }
}

/// A number in decimal.
pub(super) fn parse<T: std::str::FromStr>(digits: &[u8]) -> Result<T, Malformed> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_taken_out_again_whatever_it_holds() {
        let mut packer = Packer::default();
        packer.text("a:b\n5:").text("").number(-17).switch(true).bytes(&[0, 255]);
        let packed = packer.finish();
        let mut unpacker = Unpacker::new(&packed);
        assert_eq!(unpacker.text(), Ok("a:b\n5:"));
        assert_eq!(unpacker.optional_number::<u64>(), Ok(None));
        assert_eq!(unpacker.number(), Ok(-17));
        assert_eq!(unpacker.switch(), Ok(true));
        assert_eq!(unpacker.bytes(), Ok(&[0, 255][..]));
        assert!(unpacker.is_empty());
        assert_eq!(unpacker.bytes(), Err(Malformed));
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        for packed in ["5:abc", "abc", "-1:x", "3", "99999999999999999999:x"] {
            assert_eq!(Unpacker::new(packed.as_bytes()).bytes(), Err(Malformed), "{packed}");
        }
    }
}
