//! Date and time as IMPS writes them.

use std::fmt;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// A point in time, whole seconds, UTC. A value without a zone on the wire is taken as UTC
/// (reference ssp.md C-26).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateTime(i64);

/// Earliest and latest second that the six octet form can hold: years 1 to 4095.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=67_090_204_799;

impl DateTime {
    /// From seconds since 1970-01-01T00:00:00Z; clamped to the years 1 to 4095.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds.clamp(*SECONDS.start(), *SECONDS.end()))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix(self) -> i64 {
        self.0
    }

    fn civil(self) -> civil::DateTime {
        let stamp = Timestamp::from_second(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        TimeZone::UTC.to_datetime(stamp)
    }

    fn from_civil(
        year: i16,
        month: i8,
        day: i8,
        hour: i8,
        minute: i8,
        second: i8,
        offset_minutes: i64,
    ) -> Option<Self> {
        let date = civil::Date::new(year, month, day).ok()?;
        let time = civil::Time::new(hour, minute, second.min(59), 0).ok()?;
        let stamp = TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?;
        Some(Self::from_unix(stamp.as_second() - offset_minutes * 60))
    }

    /// Reads the basic form of CSP (`20040301T091500Z`, seconds and zone optional) and the extended
    /// form of SSP (`2004-03-01T09:15:00Z`, also with an offset). `None` where the date is none, as
    /// known peers produce (reference legacy-peer §2.13): use the time of receipt then.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, time) = text.split_once(['T', 't', ' '])?;
        let (clock, offset) = split_zone(time)?;
        let (date, date_digits) = digits(date)?;
        let (clock, clock_digits) = digits(clock.split(['.', ',']).next()?)?;
        // The clock may lack its seconds.
        let clock = match clock_digits {
            4 => clock * 100,
            6 => clock,
            _ => return None,
        };
        if date_digits != 8 {
            return None;
        }
        let small = |number: u32| i8::try_from(number % 100).ok();
        Self::from_civil(
            i16::try_from(date / 10_000).ok()?,
            small(date / 100)?,
            small(date)?,
            small(clock / 10_000)?,
            small(clock / 100)?,
            small(clock)?,
            offset,
        )
    }

    /// The basic form: `20040301T091500Z` (reference csp-wbxml §4.3).
    pub fn basic(self) -> String {
        let t = self.civil();
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }

    /// The extended form: `2004-03-01T09:15:00Z` (reference ssp.md C-26).
    pub fn extended(self) -> String {
        let t = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }

    /// The six octets of the binary form: 2 bits zero, 12 year, 4 month, 5 day, 5 hour, 6 minute,
    /// 6 second, 8 zone character (reference csp-wbxml §4.3).
    pub fn octets(self) -> [u8; 6] {
        let t = self.civil();
        let part = |value: i8| u64::from(value.unsigned_abs());
        let packed = (u64::from(t.year().unsigned_abs()) << 34)
            | (part(t.month()) << 30)
            | (part(t.day()) << 25)
            | (part(t.hour()) << 20)
            | (part(t.minute()) << 14)
            | (part(t.second()) << 8)
            | u64::from(b'Z');
        let [_, _, octets @ ..] = packed.to_be_bytes();
        octets
    }

    /// Reads the six octets; `None` if they are no date. Letters other than Z are military zones,
    /// zero is local time, taken as UTC.
    pub fn from_octets(octets: [u8; 6]) -> Option<Self> {
        let packed = octets.iter().fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
        let part = |shift: u32, bits: u32| i8::try_from((packed >> shift) & ((1 << bits) - 1)).ok();
        let year = i16::try_from((packed >> 34) & 0xfff).ok()?;
        let [.., zone] = octets;
        let offset = match zone {
            b'A'..=b'I' => i64::from(zone - b'A' + 1) * 60,
            b'K'..=b'M' => i64::from(zone - b'K' + 10) * 60,
            b'N'..=b'Y' => -i64::from(zone - b'N' + 1) * 60,
            _ => 0,
        };
        Self::from_civil(year, part(30, 4)?, part(25, 5)?, part(20, 5)?, part(14, 6)?, part(8, 6)?, offset)
    }
}

/// A point in time in milliseconds since 1970-01-01T00:00:00Z: the `now` of every machine. It comes
/// from the one clock of the node (or of a simulation), which never runs backwards, and also serves
/// for deadlines that survive a restart (decisions.md 21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// From milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// So much later; saturates.
    #[must_use]
    pub fn after(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same point in whole seconds.
    pub fn date_time(self) -> DateTime {
        DateTime::from_unix(i64::try_from(self.0 / 1000).unwrap_or(i64::MAX))
    }
}

/// The number that the digits of a date or clock form without their separators, and how many they are; at
/// most eight.
fn digits(part: &str) -> Option<(u32, usize)> {
    let (mut number, mut count) = (0, 0);
    for octet in part.bytes().filter(|octet| !matches!(octet, b'-' | b':')) {
        if !octet.is_ascii_digit() || count == 8 {
            return None;
        }
        number = number * 10 + u32::from(octet - b'0');
        count += 1;
    }
    Some((number, count))
}

/// Splits the zone off a time of day: (clock, minutes east of UTC).
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(place) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (clock, zone) = time.split_at_checked(place)?;
    let west = zone.starts_with('-');
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4).map_or(Some(0), |m| m.parse().ok())?;
    let east = hours * 60 + minutes;
    Some((clock, if west { -east } else { east }))
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.extended())
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_one_time() {
        let time = DateTime::parse("20010925T165859Z").unwrap();
        assert_eq!(time, DateTime::parse("2001-09-25T16:58:59Z").unwrap());
        assert_eq!(time.octets(), [0x1f, 0x46, 0x73, 0x0e, 0xbb, 0x5a]);
        assert_eq!(DateTime::from_octets(time.octets()), Some(time));
        assert_eq!(
            (time.basic().as_str(), time.extended().as_str()),
            ("20010925T165859Z", "2001-09-25T16:58:59Z")
        );
    }

    #[test]
    fn seconds_and_zone_may_be_missing_and_offsets_count() {
        assert_eq!(DateTime::parse("20010925T1341Z"), DateTime::parse("20010925T134100"));
        assert_eq!(DateTime::parse("2004-03-01T09:15:00+02:00"), DateTime::parse("20040301T071500Z"));
        assert_eq!(
            DateTime::from_octets([0x1f, 0x46, 0x73, 0x0e, 0xbb, 0x00]),
            DateTime::parse("20010925T165859")
        );
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "20010025T134100Z",
            "20011325T134100Z",
            "2001T1",
            "yesterday",
            "20010925T99",
            "é0010925T134100Z",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
        assert_eq!(DateTime::from_octets([0; 6]), None);
    }
}
