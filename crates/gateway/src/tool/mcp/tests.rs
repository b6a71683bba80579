pub(super) type Pipes = std::sync::Arc<dyn Fn() -> tokio::io::DuplexStream + Send + Sync>;
