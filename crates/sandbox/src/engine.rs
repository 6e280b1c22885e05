//! The two WebAssembly engines, their clock, and the threads that guests run on.

use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running guest gives way to others and looks at its limits.
pub(crate) const TICK: Duration = Duration::from_millis(10);

const MIB: usize = 1 << 20;

/// A kind of guest; each has an engine of its own because stack and pool sizes are settings of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guest {
    /// CEL, jq and templates: a core module without imports.
    Expressions,
    /// CPython as a component.
    Python,
}

impl Guest {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Expressions, Self::Python];

    /// The file name's stem of its module and image.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expressions => "expressions",
            Self::Python => "python",
        }
    }

    /// `instances` bounds how many instances exist at once, `memory` the bytes of one.
    pub(crate) fn engine(self, instances: u32, memory: usize) -> wasmtime::Result<Engine> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_memories(instances)
            .total_stacks(instances)
            .max_memory_size(memory)
            // Keep what every call dirties anyway; the rest goes back to the system when the slot is freed.
            .linear_memory_keep_resident(MIB)
            .table_keep_resident(MIB / 16);
        match self {
            Self::Expressions => {
                pool.total_core_instances(instances).total_tables(instances).table_elements(20_000);
            }
            Self::Python => {
                // componentize-py links a few dozen core modules into one component.
                pool.total_component_instances(instances)
                    .total_core_instances(instances * 100)
                    .max_core_instances_per_component(100)
                    .max_component_instance_size(2 * MIB)
                    .total_tables(instances * 20)
                    .max_tables_per_component(20)
                    .max_memories_per_component(1)
                    .table_elements(50_000);
            }
        }
        Engine::new(self.config()?.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)))
    }

    /// What an image is compiled with; images and engines must agree on it.
    pub(crate) fn config(self) -> wasmtime::Result<Config> {
        let mut config = Config::new();
        config.consume_fuel(true).epoch_interruption(true);
        if cfg!(target_os = "linux") {
            // Named, so that an image is made for every processor of this architecture and not for the one that compiles: the
            // program carries its images to other machines.
            config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
        }
        match self {
            Self::Expressions => config.max_wasm_stack(512 << 10).async_stack_size(MIB),
            Self::Python => config.max_wasm_stack(2 * MIB).async_stack_size(3 * MIB),
        };
        Ok(config)
    }
}
