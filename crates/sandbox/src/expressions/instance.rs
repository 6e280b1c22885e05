//! One instance of the expression guest.

use crate::error::{Limit, LimitReached, SandboxError, Stop};
use crate::meter::Meter;
use std::collections::HashSet;
use wasmtime::{InstancePre, Memory, Store, TypedFunc};

pub(super) struct Instance {
    store: Store<Meter>,
    memory: Memory,
    allocate: TypedFunc<u32, u32>,
    handle: TypedFunc<(), u64>,
    /// Slots of the programs that it has compiled.
    pub(super) loaded: HashSet<usize>,
    pub(super) calls: u32,
    initial_size: usize,
}

impl Instance {
    pub(super) async fn new(module: &InstancePre<Meter>, memory: usize) -> Result<Self, SandboxError> {
        let failed =
            |error: wasmtime::Error| SandboxError::Instantiate { guest: "expressions", message: format!("{error:#}") };
        let mut store = Store::new(module.module().engine(), Meter::new(memory));
        store.limiter(|meter| meter);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_fuel(u64::MAX).map_err(failed)?;
        store.set_epoch_deadline(1);
        let instance = module.instantiate_async(&mut store).await.map_err(failed)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| failed(wasmtime::Error::msg("it exports no memory")))?;
        let allocate = instance.get_typed_func(&mut store, "allocate").map_err(failed)?;
        let handle = instance.get_typed_func(&mut store, "handle").map_err(failed)?;
        let initial_size = memory.data_size(&store);
        Ok(Self { store, memory, allocate, handle, loaded: HashSet::new(), calls: 0, initial_size })
    }

    /// Answers `request`. After an `Err` the instance must not be used again.
    pub(super) async fn call(&mut self, request: &[u8], fuel: u64, output: usize) -> Result<Vec<u8>, Stop> {
        self.calls += 1;
        match self.try_call(request, fuel, output).await {
            Ok(response) => Ok(response),
            Err(error) => Err(Stop::of(&error, self.store.data().starved())),
        }
    }

    async fn try_call(&mut self, request: &[u8], fuel: u64, output: usize) -> wasmtime::Result<Vec<u8>> {
        self.store.set_fuel(fuel)?;
        self.store.set_epoch_deadline(1);
        let size = u32::try_from(request.len()).map_err(|_| wasmtime::Error::new(LimitReached(Limit::Memory)))?;
        let address = self.allocate.call_async(&mut self.store, size).await?;
        self.memory.write(&mut self.store, address as usize, request)?;
        let packed = self.handle.call_async(&mut self.store, ()).await?;
        let (address, length) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
        if length > output {
            return Err(LimitReached(Limit::Output).into());
        }
        let response = self.memory.data(&self.store).get(address..).and_then(|rest| rest.get(..length));
        response.map(<[u8]>::to_vec).ok_or_else(|| wasmtime::Error::msg("the response lies outside of the memory"))
    }

    /// Bytes of memory beyond those of a fresh instance.
    pub(super) fn growth(&self) -> usize {
        self.memory.data_size(&self.store) - self.initial_size
    }
}
