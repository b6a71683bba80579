//! Programs by bundle and workflow, loaded once, and the registered pure functions that they may call.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::{
    ids::Digest,
    step::{Kind, Step},
    values::Value,
    workflow::Program,
};
use store::{Store, StoreError};

/// Programs kept loaded; a process meets few.
const KEPT: usize = 256;

/// A registered pure function.
pub(crate) type Function = Arc<dyn Fn(Value) -> Result<Value, String> + Send + Sync>;

/// Registered pure functions by `name@version`.
#[derive(Clone, Default)]
pub(crate) struct Natives(BTreeMap<Arc<str>, Function>);

impl Natives {
    pub(crate) fn register(&mut self, name: Arc<str>, function: Function) {
        self.0.insert(name, function);
    }

    /// Runs a function; a panic is an error like any other. Its message stays in the process log: it may hold anything.
    pub(crate) fn call(&self, name: &str, input: Value) -> Result<Value, String> {
        let function = self.0.get(name).ok_or_else(|| "it is not registered in this process".to_owned())?;
        catch_unwind(AssertUnwindSafe(|| function(input)))
            .unwrap_or_else(|_| Err("it panicked: the process log says where".to_owned()))
    }

    fn missing(&self, program: &Program) -> Option<Arc<str>> {
        fn search(steps: &[Step], natives: &Natives) -> Option<Arc<str>> {
            steps.iter().find_map(|step| match &step.kind {
                Kind::Native(native) => (!natives.0.contains_key(&native.function)).then(|| native.function.clone()),
                _ => step.bodies().into_iter().find_map(|(_, steps)| search(steps, natives)),
            })
        }
        program.stages.iter().find_map(|stage| search(&stage.steps, self))
    }
}

/// A program, and what this process lacks to run it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) program: Arc<Program>,
    /// The first pure function that it needs and this process has not.
    pub(crate) missing: Option<Arc<str>>,
}

/// Why there is no program.
#[derive(Debug)]
pub(crate) enum NoProgram {
    /// The store has no such bundle.
    Bundle,
    /// The bundle has no such workflow, or is not of a format that this version reads.
    Unreadable(String),
    /// The store failed.
    Store(StoreError),
}

type ByWorkflow = HashMap<(Digest, Arc<str>), Arc<Loaded>>;

/// The loaded programs.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    loaded: Mutex<ByWorkflow>,
}

impl Programs {
    /// The program of `workflow` in `bundle`, loaded at most about once.
    pub(crate) async fn get(
        &self,
        store: &dyn Store,
        natives: &Natives,
        bundle: Digest,
        workflow: &Arc<str>,
    ) -> Result<Arc<Loaded>, NoProgram> {
        let key = (bundle, workflow.clone());
        if let Some(loaded) = self.lock().get(&key) {
            return Ok(loaded.clone());
        }
        let bytes = store.bundle(bundle).await.map_err(NoProgram::Store)?.ok_or(NoProgram::Bundle)?;
        let program = Program::load(&bytes, workflow).map_err(|why| NoProgram::Unreadable(why.to_string()))?;
        let loaded = Arc::new(Loaded { missing: natives.missing(&program), program });
        let mut all = self.lock();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, loaded.clone());
        Ok(loaded)
    }

    fn lock(&self) -> MutexGuard<'_, ByWorkflow> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
