//! Snapshots of initialised modules.

use futures::executor::block_on;
use std::future::Future;
use wasmtime::{Engine, Instance, Linker, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// Runs the module's initialisation and gives a module that starts where it ended: tables built, definitions parsed.
///
/// # Errors
/// A module with imports, without the initialisation function, or whose initialisation traps.
pub(crate) fn snapshot(module: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(module)?;
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &Module::new(&engine, instrumented)?)?;
    instance.get_typed_func::<(), ()>(&mut store, wizer.get_init_func())?.call(&mut store, ())?;
    // Nothing in it waits: the state answers at once.
    block_on(wizer.snapshot(&context, &mut State { store, instance }))
}

struct State {
    store: Store<()>,
    instance: Instance,
}

impl InstanceState for State {
    fn global_get(&mut self, name: &str, _: ValType) -> impl Future<Output = SnapshotVal> + Send {
        let value = self.instance.get_global(&mut self.store, name).map(|global| global.get(&mut self.store));
        let value = match value {
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(bits)) => SnapshotVal::F32(bits),
            Some(Val::F64(bits)) => SnapshotVal::F64(bits),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            // The caller names globals that it exported itself, all of them numbers.
            _ => SnapshotVal::I32(0),
        };
        std::future::ready(value)
    }

    fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) -> impl Future<Output = ()> + Send {
        if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
            contents(memory.data(&self.store));
        }
        std::future::ready(())
    }
}
