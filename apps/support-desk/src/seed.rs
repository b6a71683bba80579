//! Customers of the demonstration, with what they ordered and paid. All names are invented; the same number gives the same desk.

use std::{fs, path::Path};

use rusqlite::{Connection, params};

use crate::chance::Chance;

/// The tables, as the first run would make them.
const TABLES: &str = concat!(
    include_str!("../sql/migrations/001_desk.sql"),
    include_str!("../sql/migrations/002_letters.sql"),
    include_str!("../sql/migrations/003_errands.sql")
);
/// The knowledge base.
const ARTICLES: &str = include_str!("../kb.json");
/// The number that the demonstration is drawn by.
pub const NUMBER: u64 = 2026;
/// How many customers there are.
const CUSTOMERS: usize = 24;

const GIVEN: [&str; 16] = [
    "Mara", "Tobias", "Ines", "Odalys", "Kwame", "Sunniva", "Rafael", "Yuki", "Anneke", "Bram", "Leila", "Piotr",
    "Noor", "Casimir", "Thandi", "Elio",
];
const FAMILY: [&str; 16] = [
    "Lindmark",
    "Okonjo",
    "Varga",
    "Bellweather",
    "Castellane",
    "Drummel",
    "Fennick",
    "Hollander",
    "Imbert",
    "Jarrow",
    "Kestrelby",
    "Marchetto",
    "Nordahl",
    "Pemberley",
    "Quillon",
    "Sandoval",
];
const TIERS: [&str; 4] = ["standard", "standard", "plus", "business"];
/// What can be ordered, for how many cents.
const WARES: [(&str, i64); 7] = [
    ("express delivery of a card", 1200),
    ("spare card", 600),
    ("metal card", 4900),
    ("plus plan, one month", 790),
    ("business plan, one month", 2900),
    ("cash withdrawal fee", 250),
    ("transfer abroad", 450),
];

/// A customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// `C-1001` and on.
    pub id: String,
    /// Given and family name.
    pub name: String,
    /// At a host that nobody can own.
    pub email: String,
    /// `standard`, `plus` or `business`.
    pub tier: &'static str,
    /// Whom they have named to us: branches of a company.
    pub contacts: Vec<String>,
    /// What they paid, each for an order of its own.
    pub payments: Vec<Paid>,
}

/// A payment.
#[derive(Clone, Debug, PartialEq)]
pub struct Paid {
    /// `PAY-20001` and on; the order has the same digits.
    pub id: String,
    /// For what.
    pub what: &'static str,
    /// In cents of a dollar.
    pub amount_cents: i64,
    /// RFC 3339.
    pub at: String,
}

/// Draws the desk. Two customers have a part in the inputs of `seed/`: the first paid 620 dollars once, the second 30 dollars twice.
pub fn draw(number: u64) -> Vec<Customer> {
    let (mut chance, mut payment) = (Chance::of(number), 20_000);
    let (mut given_names, mut family_names) = (GIVEN, FAMILY);
    chance.shuffle(&mut given_names);
    chance.shuffle(&mut family_names);
    let mut customers = Vec::new();
    for at in 0..CUSTOMERS {
        // The second round is shifted: nobody has the name of another.
        let (given, family) = (given_names[at % GIVEN.len()], family_names[(at + at / GIVEN.len()) % FAMILY.len()]);
        let mut wares: Vec<(&str, i64)> = match at {
            0 => vec![("business plan, twelve months", 62_000)],
            1 => vec![("virtual card bundle", 3000), ("virtual card bundle", 3000)],
            _ => Vec::new(),
        };
        wares.extend((0..1 + chance.below(4)).map(|_| chance.pick(&WARES)));
        let mut times: Vec<String> = wares.iter().map(|_| time(&mut chance)).collect();
        times.sort();
        if at == 1 {
            times[1] = times[0].replace(":00Z", ":40Z");
        }
        let payments = wares.into_iter().zip(times).map(|((what, amount_cents), at)| {
            payment += 1;
            Paid { id: format!("PAY-{payment}"), what, amount_cents, at }
        });
        let payments: Vec<Paid> = payments.collect();
        customers.push(Customer {
            id: format!("C-{}", 1001 + at),
            name: format!("{given} {family}"),
            email: format!("{}.{}@mail.example", given.to_lowercase(), family.to_lowercase()),
            tier: if at == 0 { "business" } else { chance.pick(&TIERS) },
            // The sixth is a company with branches.
            contacts: (1..=if at == 5 { 63 } else { 0 })
                .map(|branch| format!("branch-{branch:02}@{}.example", family.to_lowercase()))
                .collect(),
            payments,
        });
    }
    customers
}

/// A minute of September or October 2026.
fn time(chance: &mut Chance) -> String {
    let (month, day, hour) = (9 + chance.below(2), 1 + chance.below(28), 8 + chance.below(12));
    format!("2026-{month:02}-{day:02}T{hour:02}:{:02}:00Z", chance.below(60))
}

/// Makes `desk.db` of the project in `folder` with the desk that `number` draws, unless there is one; says whether it was made.
///
/// # Errors
/// The file cannot be made, the database refuses a row, or the log of a `desk.db` that is gone is left: it would be read into the new one.
pub fn load(folder: &Path, number: u64) -> Result<bool, String> {
    let file = folder.join("desk.db");
    if file.exists() {
        return Ok(false);
    }
    let log = folder.join("desk.db-wal");
    if log.exists() && !file.exists() {
        return Err(format!("{} is left of a desk.db that is gone: remove it and desk.db-shm", log.display()));
    }
    // A desk is there whole or not at all, also if two programs make one at once.
    let new = folder.join(format!("desk.db.{}", std::process::id()));
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be made: {error}", file.display());
    let made = fill(&new, number).map_err(|error| failed(&error)).and_then(|()| match fs::hard_link(&new, &file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(&error)),
    });
    // What is left over is a copy that nobody reads.
    let _ = fs::remove_file(&new);
    made
}

fn fill(file: &Path, number: u64) -> Result<(), rusqlite::Error> {
    let mut desk = Connection::open(file)?;
    let rows = desk.transaction()?;
    rows.execute_batch(TABLES)?;
    for one in draw(number) {
        rows.execute(
            "INSERT INTO customer (id, name, email, tier, since) VALUES (?1, ?2, ?3, ?4, '2025-01-01T00:00:00Z')",
            params![one.id, one.name, one.email, one.tier],
        )?;
        for contact in &one.contacts {
            rows.execute("INSERT INTO contact (customer_id, email) VALUES (?1, ?2)", params![one.id, contact])?;
        }
        for paid in &one.payments {
            let order = paid.id.replace("PAY", "ORD");
            rows.execute(
                "INSERT INTO order_ (id, customer_id, what, placed_at, delivered_at) VALUES (?1, ?2, ?3, ?4, ?4)",
                params![order, one.id, paid.what, paid.at],
            )?;
            rows.execute(
                "INSERT INTO payment (id, customer_id, order_id, what, amount_cents, currency, paid_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'USD', ?6)",
                params![paid.id, one.id, order, paid.what, paid.amount_cents, paid.at],
            )?;
        }
    }
    // The list is read by the database itself: a text that is none is its error.
    rows.execute(
        "INSERT INTO kb_article (id, version, category, title, text, fits, reviewed_at)
         SELECT value ->> 'id', value ->> 'version', value ->> 'category', value ->> 'title', value ->> 'text', value -> 'fits',
                value ->> 'reviewed_at' FROM json_each(?1)",
        [ARTICLES],
    )?;
    rows.commit()?;
    desk.close().map_err(|(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_desk_with_the_two_that_the_inputs_speak_of() {
        let desk = draw(NUMBER);
        assert_eq!((desk.len(), &desk), (CUSTOMERS, &draw(NUMBER)));
        assert_ne!(desk, draw(7));
        assert_eq!(desk[0].payments.iter().filter(|paid| paid.amount_cents == 62_000).count(), 1);
        assert_eq!(desk[1].payments.iter().filter(|paid| paid.amount_cents == 3000).count(), 2);
        let others = desk.iter().flat_map(|one| &one.payments).filter(|paid| paid.amount_cents != 62_000);
        assert!(others.map(|paid| paid.amount_cents).max() <= Some(4900));
    }

    #[test]
    fn a_desk_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path(), NUMBER), Ok(true));
        let desk = Connection::open(folder.path().join("desk.db")).unwrap();
        desk.execute("UPDATE payment SET refunded_cents = 5", []).unwrap();
        assert_eq!(load(folder.path(), NUMBER), Ok(false));
        let count = |sql: &str| desk.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM customer"), 24);
        assert_eq!(count("SELECT count(*) FROM payment WHERE refunded_cents <> 5"), 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::remove_file(folder.path().join("desk.db")).unwrap();
        std::fs::write(folder.path().join("desk.db-wal"), "old").unwrap();
        let left = load(folder.path(), NUMBER).unwrap_err();
        assert!(left.contains("desk.db-wal is left of a desk.db that is gone"), "{left}");
        let wrong = load(&folder.path().join("nowhere"), NUMBER).unwrap_err();
        assert!(wrong.contains("nowhere") && wrong.contains("cannot be made"), "{wrong}");
    }
}
