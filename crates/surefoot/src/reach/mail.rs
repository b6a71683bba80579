//! From a tool file with `mail:` to the tool.

use std::sync::Arc;

use gateway::{
    secret::Secrets,
    tool::{
        Now,
        mail::{MailOperation, MailSpec, MailTool},
    },
};
use kernel::{
    tool::{Operation, Tool, mail::Mail},
    workflow::project::Sources,
};

use super::{ReachError, Surroundings, evaluated};

/// Sets up `tool`, which sends mail. Nothing is connected yet.
pub(super) fn tool(
    sources: &Sources,
    tool: &Tool,
    mail: &Mail,
    around: &Surroundings,
    (secrets, now): (Arc<dyn Secrets>, Now),
) -> Result<MailTool, ReachError> {
    let bad = |detail: String| ReachError::Address { tool: tool.name.clone(), file: tool.file.clone(), detail };
    let login = mail.user.as_ref().zip(mail.password.as_ref());
    let operations = tool.operations.iter().filter_map(|(name, operation)| Some((name.clone(), one(operation)?)));
    let spec = MailSpec {
        smtp: evaluated(&mail.smtp, sources, tool, around, &bad)?,
        from: mail.from.to_string(),
        login: login.map(|(user, password)| (user.to_string(), password.to_string())),
        plain: mail.plain,
        operations: operations.collect(),
        now,
    };
    MailTool::new(spec, secrets).map_err(|source| ReachError::Mail {
        tool: tool.name.clone(),
        file: tool.file.clone(),
        source,
    })
}

fn one(operation: &Operation) -> Option<MailOperation> {
    let call = operation.mail.as_ref()?;
    Some(MailOperation {
        to: call.to.clone(),
        subject: call.subject.clone(),
        text: call.text.clone(),
        reply_to: call.reply_to.clone(),
        timeout: operation.timeout,
    })
}
