//! Events: kept for a while, and told to whoever waits for them, now or later.

use kernel::{ids::RunId, values::Timestamp};
use rusqlite::named_params;

use super::{
    append::found_by,
    dispatch::InboxState,
    sql,
    writer::{Db, Failure, Operation},
};
use crate::{Guard, Message, Published, Status, TOLD_AT_ONCE, UNREAD_LIMIT};

/// What an append says of events, once all else of it is written. True: the run itself may have been told something.
pub(super) fn apply(db: &Db<'_>, run: RunId, guard: &Guard) -> Result<bool, Failure> {
    match guard {
        Guard::Publish(event) => drop(publish(db, event)?),
        Guard::Want { topic, since, at } => {
            let params = named_params! {
                ":tenant": &*topic.tenant,
                ":project": &*topic.project,
                ":name": &*topic.name,
                ":key": &*topic.key,
                ":run": run.bytes(),
            };
            db.execute(sql::ADD_WANTED, params)?;
            let params = named_params! {
                ":tenant": &*topic.tenant,
                ":project": &*topic.project,
                ":name": &*topic.name,
                ":key": &*topic.key,
                ":since_us": since.micros(),
                ":run": run.bytes(),
                ":limit": TOLD_AT_ONCE,
            };
            let kept = db.all(sql::KEPT_EVENTS, params, |row| {
                Ok(Published {
                    id: row.get::<_, String>("id")?.into(),
                    called: row.get::<_, Option<String>>("called")?.map(Into::into),
                    topic: topic.clone(),
                    run: None,
                    sender: row.get::<_, String>("sender")?.into(),
                    body: row.get::<_, Vec<u8>>("body")?.into(),
                    at: Timestamp::from_micros(row.get("at_us")?),
                    since: *since,
                })
            })?;
            for event in kept {
                hear(db, run, &event, *at)?;
            }
        }
        Guard::Unwant { topic } => {
            let params = named_params! {
                ":tenant": &*topic.tenant,
                ":project": &*topic.project,
                ":name": &*topic.name,
                ":key": &*topic.key,
                ":run": run.bytes(),
            };
            db.execute(sql::DROP_WANTED, params)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A run that is over waits for nothing.
pub(super) fn drop_all(db: &Db<'_>, run: RunId) -> Result<(), Failure> {
    let none = None::<&str>;
    let params = named_params! { ":tenant": none, ":project": none, ":name": none, ":key": none, ":run": run.bytes() };
    db.execute(sql::DROP_WANTED, params)?;
    Ok(())
}

/// False: its id is known.
fn publish(db: &Db<'_>, event: &Published) -> Result<bool, Failure> {
    db.execute(sql::FORGET_EVENTS, named_params! { ":since_us": event.since.micros() })?;
    let topic = &event.topic;
    let params = named_params! {
        ":id": &*event.id,
        ":run": event.run.map(|run| run.bytes()),
        ":tenant": &*topic.tenant,
        ":project": &*topic.project,
        ":name": &*topic.name,
        ":key": &*topic.key,
        ":sender": &*event.sender,
        ":body": &*event.body,
        ":at_us": event.at.micros(),
        ":called": event.called.as_deref(),
    };
    if db.execute(sql::ADD_EVENT, params)? == 0 {
        return Ok(false);
    }
    let params = named_params! {
        ":tenant": &*topic.tenant,
        ":project": &*topic.project,
        ":name": &*topic.name,
        ":key": &*topic.key,
    };
    for run in db.all(sql::WANTING_RUNS, params, |row| row.get(0))? {
        hear(db, RunId::from_bytes(run), event, event.at)?;
    }
    Ok(true)
}

/// A run with a full inbox hears of it when it waits again.
fn hear(db: &Db<'_>, run: RunId, event: &Published, at: Timestamp) -> Result<(), Failure> {
    let message = Message { at, ..event.message() };
    let Some(inbox) = InboxState::read(db, run)? else { return Ok(()) };
    let full = inbox.unread() >= UNREAD_LIMIT;
    let told = || db.exists(sql::FIND_TOLD, named_params! { ":run": run.bytes(), ":id": &*message.id });
    if inbox.ended().is_some() || full || told()? {
        return Ok(());
    }
    let wake = inbox.status() != Some(Status::Blocked);
    inbox.receive(db, run, &message, (false, wake))?;
    found_by(db, run, &event.key())
}

impl Operation for Published {
    type Reply = bool;
    const VERB: &'static str = "publish";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        publish(db, self)
    }
}
