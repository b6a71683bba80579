//! Working hours: intervals of the days of a week, in a zone of the database that is compiled in. No file of the machine, no
//! variable and no clock is asked.

use jiff::{
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::values::{Timestamp, Value};

/// The days of a week, as they are written.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The minutes of a day.
pub(super) const DAY: u16 = 24 * 60;

/// The hours of one person.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hours {
    pub(super) zone: TimeZone,
    /// For each day of [`DAYS`]: intervals in minutes since midnight, in order, the end not included.
    pub(super) week: [Vec<(u16, u16)>; 7],
}

impl Hours {
    pub(super) fn cover(&self, at: Timestamp) -> bool {
        let Some(day) = day(&self.zone, at) else { return false };
        working(Some(self), &self.zone, day).any(|(start, end)| (start..end).contains(&at))
    }

    pub(super) fn to_value(&self) -> Value {
        let days = DAYS.iter().zip(&self.week).filter(|(_, day)| !day.is_empty()).map(|(name, day)| {
            let parts = day.iter().map(|(from, to)| Value::from(format!("{}-{}", clock(*from), clock(*to))));
            (*name, Value::list(parts))
        });
        let zone = self.zone.iana_name().unwrap_or("UTC");
        Value::map([("zone", Value::from(zone)), ("week", Value::map(days))])
    }
}

/// A zone by its name, of the database that is compiled in.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The nearest name of a zone.
pub(super) fn nearest_zone(name: &str) -> Option<String> {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    crate::complaint::did_you_mean(name, names.iter().map(String::as_str))
}

/// The day that a zone has at that moment; `None` outside the years -9999 to 9999.
pub(super) fn day(zone: &TimeZone, at: Timestamp) -> Option<Date> {
    let at = jiff::Timestamp::from_microsecond(at.micros()).ok()?;
    Some(zone.to_datetime(at).date())
}

/// The working hours of one day as moments, in order; without hours, the whole day. Where a clock is put back or forward, an hour
/// begins where its wall time stood before the change.
pub(super) fn working(
    hours: Option<&Hours>,
    zone: &TimeZone,
    day: Date,
) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    const ALWAYS: &[(u16, u16)] = &[(0, DAY)];
    let of_week = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
    let parts = hours.map_or(ALWAYS, |hours| &hours.week[of_week]);
    parts.iter().filter_map(move |(from, to)| Some((moment(zone, day, *from)?, moment(zone, day, *to)?)))
}

fn moment(zone: &TimeZone, day: Date, minute: u16) -> Option<Timestamp> {
    let (day, minute) = if minute == DAY { (day.tomorrow().ok()?, 0) } else { (day, minute) };
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let at = zone.to_timestamp(day.at(hour, minute, 0, 0)).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

/// `09:30`, from minutes since midnight.
fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Minutes since midnight, from `09:30`; the end of a day is `24:00`.
pub(super) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |part: &str| -> Option<u16> {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let at = number(hour)? * 60 + number(minute).filter(|minute| *minute < 60)?;
    (at <= DAY).then_some(at)
}
