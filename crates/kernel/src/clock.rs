//! Time, passed in. Production reads the system's clock; a test moves its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type as JsonType};

/// A moment in UTC with the precision that PostgreSQL keeps: one microsecond.
///
/// A finer clock reading would change when the row is read back, and with it the bytes of an audit leaf.
/// In JSON it is ISO 8601 with `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z; saturates at the calendar's ends.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, as RFC 7519 "NumericDate" wants them.
    #[must_use]
    pub fn as_seconds(self) -> i64 {
        self.0.as_second()
    }

    /// This moment, `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self::from_micros(self.as_micros().saturating_add(micros(by)))
    }

    /// This moment, `by` earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self::from_micros(self.as_micros().saturating_sub(micros(by)))
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.as_micros() - earlier.as_micros()).unwrap_or(0))
    }

    /// First moment of the calendar month (UTC) this moment lies in, and of the next.
    #[must_use]
    pub fn month(self) -> (Self, Self) {
        let first = self.0.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
        let next = first.saturating_add(jiff::Span::new().months(1));
        let start = |date: jiff::civil::Date| {
            date.to_zoned(jiff::tz::TimeZone::UTC).map_or(self, |zoned| Self(zoned.timestamp()))
        };
        (start(first), start(next))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from_micros(text.parse::<jiff::Timestamp>()?.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(JsonType::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

/// PostgreSQL counts microseconds from 2000-01-01T00:00:00Z.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("TIMESTAMPTZ")
    }
}

impl sqlx::postgres::PgHasArrayType for Timestamp {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("_TIMESTAMPTZ")
    }
}

impl Encode<'_, Postgres> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.as_micros() - POSTGRES_EPOCH_MICROS, buffer)
    }
}

impl Decode<'_, Postgres> for Timestamp {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            sqlx::postgres::PgValueFormat::Binary => {
                // `infinity` is the largest integer: it stays beyond the calendar.
                Ok(Self::from_micros(<i64 as Decode<Postgres>>::decode(value)?.saturating_add(POSTGRES_EPOCH_MICROS)))
            }
            sqlx::postgres::PgValueFormat::Text => {
                let text = value.as_str()?;
                // `2026-11-21 10:00:00.123456+00`: PostgreSQL's ISO style lacks the minutes of the offset.
                let text = if text.ends_with("+00") { format!("{text}:00") } else { text.to_owned() };
                Ok(text.parse()?)
            }
        }
    }
}

/// Where code takes the time from.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.as_micros()))))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
                let now = jiff::Timestamp::now();
                Timestamp::from_micros(now.as_microsecond())
            }
            Source::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; a system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(micros(by), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_in_utc() {
        let (start, end) = "2026-12-31T23:59:59.999999Z".parse::<Timestamp>().unwrap().month();
        assert_eq!(start.to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(end.to_string(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn nanoseconds_are_cut_so_that_a_stored_row_reads_back_equal() {
        let cut: Timestamp = "2026-11-21T10:00:00.123456789Z".parse().unwrap();
        assert_eq!(cut.to_string(), "2026-11-21T10:00:00.123456Z");
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp::from_micros(0));
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now().as_seconds(), 60);
    }
}
