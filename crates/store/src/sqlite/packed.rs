//! The entries of one append as one value of the journal's table, and back.
//!
//! The migration that made the table says how they stand. The numbers of the entries follow from the row: it holds the last one and how
//! many there are.

use std::sync::Arc;

use kernel::{ids::Digest, journal::Entry, values::Timestamp};

/// Stands in the place of the length of a body that is not there.
const ERASED: u32 = u32::MAX;

/// In the length of a body that was erased where it stands: as many zeros follow. So a row keeps its size, and no page is built anew
/// with copies of what stood beside it.
const ZEROED: u32 = 1 << 31;

/// Bytes of an entry beside its body.
const HEADER: usize = 8 + 8 + 16 + 32 + 32 + 4;

/// Writes `entries` one after the other.
pub(super) fn pack(entries: &[Entry]) -> Vec<u8> {
    let bodies: usize = entries.iter().map(|entry| entry.body.as_ref().map_or(0, |body| body.len())).sum();
    let mut bytes = Vec::with_capacity(bodies + entries.len() * HEADER);
    for entry in entries {
        bytes.extend_from_slice(&entry.epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.at.micros().to_be_bytes());
        bytes.extend_from_slice(&entry.salt);
        bytes.extend_from_slice(entry.digest.bytes());
        bytes.extend_from_slice(entry.hash.bytes());
        let length = entry.body.as_ref().map_or(ERASED, |body| {
            u32::try_from(body.len()).expect("a body is no longer than a value of the database may be")
        });
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry.body.as_deref().unwrap_or_default());
    }
    bytes
}

/// Reads `count` entries whose last one has the number `last`. An error says where the bytes do not fit.
pub(super) fn unpack(mut bytes: &[u8], last: u64, count: u64) -> Result<Vec<Entry>, String> {
    let Some(before) = last.checked_sub(count).filter(|_| count > 0) else {
        return Err(format!("entry {last} cannot be the last of {count}"));
    };
    let mut entries = Vec::with_capacity(usize::try_from(count).unwrap_or_default().min(bytes.len() / HEADER));
    for seq in before + 1..=last {
        let mut take = |length: usize| {
            let (taken, rest) = bytes.split_at_checked(length).ok_or_else(|| format!("entry {seq} is cut off"))?;
            bytes = rest;
            Ok::<_, String>(taken)
        };
        let epoch = u64::from_be_bytes(array(take(8)?));
        let at = Timestamp::from_micros(i64::from_be_bytes(array(take(8)?)));
        let salt = array(take(16)?);
        let digest = Digest::from_bytes(array(take(32)?));
        let hash = Digest::from_bytes(array(take(32)?));
        let body: Option<Arc<[u8]>> = match u32::from_be_bytes(array(take(4)?)) {
            ERASED => None,
            length if length & ZEROED != 0 => {
                take((length & !ZEROED) as usize)?;
                None
            }
            length => Some(take(length as usize)?.into()),
        };
        entries.push(Entry { seq, epoch, at, salt, body, digest, hash });
    }
    if !bytes.is_empty() {
        return Err(format!("{} bytes stand after entry {last}", bytes.len()));
    }
    Ok(entries)
}

/// Erases bodies and salts where they stand. The bytes are ones that [`unpack`] reads.
pub(super) fn erase(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_at_mut_checked(HEADER) {
        let (fixed, length) = header.split_at_mut(HEADER - 4);
        fixed[16..32].fill(0);
        let found = u32::from_be_bytes(array(length));
        let body = if found == ERASED { 0 } else { found & !ZEROED };
        if found != ERASED {
            length.copy_from_slice(&(found | ZEROED).to_be_bytes());
        }
        let Some((body, after)) = after.split_at_mut_checked(body as usize) else { return };
        body.fill(0);
        rest = after;
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("as many bytes were taken as the array has")
}

#[cfg(test)]
mod tests {
    use kernel::{
        ids::RunId,
        journal::{Event, Head, Held},
        values::Value,
    };

    use super::*;

    fn three() -> Vec<Entry> {
        let run = RunId::from_bytes([7; 16]);
        let mut head = Head { seq: 4, hash: Digest::of(&[b"before"]) };
        let mut entries = Vec::new();
        for text in ["one", "", "three"] {
            let event = Event::StepDone { step: "a".into(), output: Held::Value(Value::text(text)) };
            let entry = Entry::seal(run, head, 3, Timestamp::from_micros(-5), [9; 16], &event);
            head = entry.head();
            entries.push(entry);
        }
        entries[1].body = None;
        entries
    }

    #[test]
    fn what_was_packed_is_read_back() {
        let entries = three();
        assert_eq!(unpack(&pack(&entries), 7, 3), Ok(entries));
    }

    #[test]
    fn what_was_erased_keeps_its_size_and_its_chain() {
        let entries = three();
        let (before, mut bytes) = (pack(&entries), pack(&entries));
        erase(&mut bytes);
        let gone: Vec<_> = entries.iter().map(|entry| Entry { body: None, salt: [0; 16], ..entry.clone() }).collect();
        assert_eq!((bytes.len(), unpack(&bytes, 7, 3)), (before.len(), Ok(gone)));
        let once = bytes.clone();
        erase(&mut bytes);
        assert_eq!(bytes, once, "twice is once");
        assert!(unpack(&bytes[..bytes.len() - 1], 7, 3).is_err());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let bytes = pack(&three());
        assert_eq!(unpack(&bytes[..bytes.len() - 1], 7, 3), Err("entry 7 is cut off".to_owned()));
        assert_eq!(unpack(&bytes, 2, 3), Err("entry 2 cannot be the last of 3".to_owned()));
        assert_eq!(unpack(&bytes, 7, 0), Err("entry 7 cannot be the last of 0".to_owned()));
        assert!(unpack(&bytes, 7, 2).unwrap_err().ends_with("bytes stand after entry 7"));
        assert!(unpack(&bytes, u64::MAX, u64::MAX).is_err(), "a count from a damaged row takes no memory");
        for cut in 0..bytes.len() {
            assert!(unpack(&bytes[..cut], 7, 3).is_err(), "cut at {cut}");
        }
    }
}
