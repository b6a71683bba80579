//! From `channels:` of the project file to what reaches people.

use std::sync::Arc;

use gateway::{
    channel::{Channel, MailChannel, WebhookChannel},
    secret::Secrets,
    tool::{Now, http::HttpClient},
};
use kernel::workflow::channel::{ChannelDecl, Way};

use super::{ReachError, Surroundings};

/// Sets up the channel `name`. Nothing is connected yet.
pub(super) fn channel(
    name: &Arc<str>,
    decl: &ChannelDecl,
    around: &Surroundings,
    (secrets, now): (Arc<dyn Secrets>, Now),
    client: impl FnOnce() -> Result<HttpClient, gateway::tool::http::BadHttpTool>,
) -> Result<Arc<dyn Channel>, ReachError> {
    let bad = |detail: String| ReachError::Channel { channel: name.clone(), detail };
    let text = |text: &Arc<str>| match text.strip_prefix("=env.") {
        None => Ok(text.to_string()),
        Some(variable) => {
            let value = (around.environment)(variable.trim());
            value.ok_or_else(|| bad(format!("needs the environment variable {}, which is not set", variable.trim())))
        }
    };
    Ok(match &decl.way {
        Way::Webhook { url, secrets: signed } => {
            let cannot = |why: gateway::tool::http::BadHttpTool| bad(format!("cannot be set up: {why}"));
            let client = client().map_err(cannot)?;
            let signed = signed.iter().map(ToString::to_string).collect();
            Arc::new(WebhookChannel::new(text(url)?, signed, (secrets, now, client)).map_err(cannot)?)
        }
        Way::Mail { smtp, from, to, login } => {
            let login = login.as_ref().map(|(user, password)| (user.to_string(), password.to_string()));
            let made = MailChannel::new(text(smtp)?, (from.to_string(), to), login, (secrets, now));
            Arc::new(made.map_err(|why| bad(format!("cannot be set up: {why}")))?)
        }
    })
}
