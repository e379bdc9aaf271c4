// SPDX-License-Identifier: GPL-2.0-or-later
//! `0002:03:00.0`: a function's place in the machine.

use core::fmt;
use core::str::FromStr;

use eeh_pe::Bdf;

/// A function of a machine: the PHB and the place on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PciAddress {
    /// Linux's number of the PHB.
    pub phb: u32,
    /// The place on it.
    pub bdf: Bdf,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{}", self.phb, self.bdf)
    }
}

/// A text that is no [`PciAddress`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason} (an address is domain:bus:device.function in hex, like 0002:03:00.0)")]
pub struct AddressError {
    reason: String,
}

/// With or without the domain, which is 0 then.
impl FromStr for PciAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason: String| AddressError { reason };
        let (front, function) =
            text.rsplit_once('.').ok_or_else(|| wrong("there is no `.` before a function number".into()))?;
        let mut parts = front.split(':').rev();
        let device = parts.next().unwrap_or_default();
        let bus = parts.next().ok_or_else(|| wrong("there is no `:` after a bus number".into()))?;
        let domain = parts.next();
        if parts.next().is_some() {
            return Err(wrong("there are more than two `:`".into()));
        }
        let phb = domain.map_or(Ok(0), |domain| field("domain", domain, 8, u32::MAX))?;
        let bus = field("bus", bus, 2, 0xff)?;
        let device = field("device", device, 2, 0x1f)?;
        let function = field("function", function, 1, 7)?;
        let byte = |value: u32| u8::try_from(value).ok();
        byte(bus)
            .zip(byte(device))
            .zip(byte(function))
            .and_then(|((bus, device), function)| Bdf::new(bus, device, function))
            .map(|bdf| Self { phb, bdf })
            .ok_or_else(|| wrong("a number is too large".into()))
    }
}

/// A hex number of 1 to `digits` digits, up to `most`.
fn field(name: &str, text: &str, digits: usize, most: u32) -> Result<u32, AddressError> {
    let wrong = |reason: String| AddressError { reason };
    let shown = super::error::quote(text);
    if text.is_empty() {
        return Err(wrong(format!("the {name} number is missing")));
    }
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong(format!("the {name} {shown} is not a hex number")));
    }
    let value = u32::from_str_radix(text, 16).unwrap_or(u32::MAX);
    if text.len() > digits || value > most {
        return Err(wrong(format!("the {name} {shown} is above {most:x}")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        text.parse::<PciAddress>().unwrap_err().reason
    }

    #[test]
    fn addresses_have_a_domain_or_are_of_domain_0() {
        let bdf = Bdf::new(0x83, 0x1f, 7).unwrap();
        assert_eq!("0002:83:1f.7".parse(), Ok(PciAddress { phb: 2, bdf }));
        assert_eq!("10000:83:1f.7".parse(), Ok(PciAddress { phb: 0x10000, bdf }));
        assert_eq!("83:1F.7".parse(), Ok(PciAddress { phb: 0, bdf }));
        assert_eq!(PciAddress { phb: 2, bdf }.to_string(), "0002:83:1f.7");
    }

    #[test]
    fn wrong_addresses_say_what_is_wrong() {
        assert_eq!(reason(""), "there is no `.` before a function number");
        assert_eq!(reason("03.0"), "there is no `:` after a bus number");
        assert_eq!(reason("1:2:3:4.0"), "there are more than two `:`");
        assert_eq!(reason("0002:03:00."), "the function number is missing");
        assert_eq!(reason("03:20.0"), "the device `20` is above 1f");
        assert_eq!(reason("03:00.8"), "the function `8` is above 7");
        assert_eq!(reason("103:00.0"), "the bus `103` is above ff");
        assert_eq!(reason("0002:0x:00.0"), "the bus `0x` is not a hex number");
        assert_eq!(reason("123456789:03:00.0"), "the domain `123456789` is above ffffffff");
        assert_eq!(reason("+3:00.0"), "the bus `+3` is not a hex number");
    }
}
