//! The model server and the mail server as processes of their own: what they have answered survives their death.

use std::{path::Path, process::Stdio};

use apparatus::{mockllm::Call, smtp::Mail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

fn command(server: &str, file: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apparatus"));
    command.args([server, "--port", "0", "--file"]).arg(file).args(more).kill_on_drop(true);
    command
}

/// Starts a server; gives what it says when it is ready.
async fn start(server: &str, file: &Path, more: &[&str]) -> (Child, Value) {
    let mut child = command(server, file, more).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

/// The words with which a server refuses to start.
async fn refused(server: &str, file: &Path, more: &[&str]) -> String {
    let ended = command(server, file, more).output().await.unwrap();
    assert!(!ended.status.success() && ended.stdout.is_empty());
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn a_killed_model_server_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (file, script) = (directory.path().join("calls"), directory.path().join("script.json"));
    std::fs::write(&script, r#"[{"answer": "yes"}]"#).unwrap();
    let more = ["--persona", "scripted", "--answers", script.to_str().unwrap()];
    let ask = json!({"model": "m", "messages": [{"role": "user", "content": "well?"}]});
    for _ in 0..2 {
        let (mut child, ready) = start("mockllm", &file, &more).await;
        assert_eq!(ready["url"], format!("http://127.0.0.1:{}/v1", ready["port"]));
        let url = format!("{}/chat/completions", ready["url"].as_str().unwrap());
        let sent = apparatus::http::client().unwrap().post(url).json(&ask).send().await.unwrap();
        assert_eq!(sent.json::<Value>().await.unwrap()["choices"][0]["message"]["content"], "yes");
        child.kill().await.unwrap();
    }
    let calls = Call::read(&file).unwrap();
    assert_eq!(calls.iter().map(|call| (call.n, call.said.as_str())).collect::<Vec<_>>(), [(1, "yes"), (2, "yes")]);

    std::fs::write(&script, r#"[{"answer": "yes"}, {}]"#).unwrap();
    let said = refused("mockllm", &file, &more).await;
    assert!(said.contains("script.json: entry 2 has neither `answer`, `propose` nor `fault`"), "{said}");
    let said = refused("mockllm", &file, &["--persona", "obedient", "--attacks", "nowhere.json"]).await;
    assert!(said.contains("cannot read nowhere.json"), "{said}");
    let said = refused("mockllm", &file, &["--persona", "scripted"]).await;
    assert!(said.contains("--answers"), "{said}");
}

#[tokio::test]
async fn a_killed_mail_server_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mails");
    for _ in 0..2 {
        let (mut child, ready) = start("smtp-sink", &file, &["--mode", "drop_after"]).await;
        let mut client = TcpStream::connect(ready["address"].as_str().unwrap()).await.unwrap();
        let talk =
            "HELO me\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nMessage-ID: <1>\r\n\r\nHi\r\n.\r\n";
        client.write_all(talk.as_bytes()).await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("354 end with a dot on a line of its own\r\n"), "{said}");
        child.kill().await.unwrap();
    }
    let mails = Mail::read(&file).unwrap();
    assert_eq!(mails.iter().map(|mail| mail.n).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(mails[1].message_id.as_deref(), Some("<1>"));

    let said = refused("smtp-sink", &file, &["--mode", "explode"]).await;
    assert!(said.contains("drop_after"), "{said}");
    let said = refused("smtp-sink", &file, &["--probability", "7"]).await;
    assert!(said.contains("`probability` must be from 0 to 1 and is 7"), "{said}");
}
