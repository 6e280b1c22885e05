//! How busy the machine is, from Linux's `/proc/stat` (proc(5)).

use std::fs;

use anyhow::{Context as _, Result};

/// CPU time since boot over all cores, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTimes {
    /// Idle and waiting for the disk.
    pub idle: u64,
    /// Taken by the hypervisor for others.
    pub steal: u64,
    /// All of it.
    pub total: u64,
}

impl CpuTimes {
    /// Reads the present counters.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read: measurements need Linux.
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat: run this on linux")?;
        Self::parse(&stat).context("/proc/stat has no line `cpu` with eight counters")
    }

    /// `cpu user nice system idle iowait irq softirq steal guest guest_nice`; guest times are part of user and nice.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let times: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let &[_, _, _, idle, iowait, _, _, steal] = times.as_slice() else { return None };
        Some(Self { idle: idle + iowait, steal, total: times.iter().sum() })
    }

    /// The shares of idle and of stolen time since `earlier`, each 0 to 1; fully idle if no tick passed.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Shares {
        let total = self.total.saturating_sub(earlier.total);
        let share = |part: u64| if total == 0 { 0.0 } else { part as f64 / total as f64 };
        let idle = if total == 0 { 1.0 } else { share(self.idle.saturating_sub(earlier.idle)) };
        Shares { idle, steal: share(self.steal.saturating_sub(earlier.steal)) }
    }
}

/// Shares of the CPU's time, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Doing nothing.
    pub idle: f64,
    /// Taken by the hypervisor.
    pub steal: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_from_the_difference() {
        let first = CpuTimes::parse("cpu  100 0 100 800 0 0 0 0 7 0\ncpu0 1 2\n").unwrap();
        let later = CpuTimes::parse("cpu  120 0 110 850 10 0 0 10 9 0\ncpu0 1 2\n").unwrap();
        assert_eq!(later.since(&first), Shares { idle: 0.6, steal: 0.1 });
        assert_eq!(first.since(&first), Shares { idle: 1.0, steal: 0.0 });
        assert_eq!(CpuTimes::parse("cpu0 1 2 3 4 5 6 7 8\n"), None);
        assert_eq!(CpuTimes::parse("cpu 1 2 3\n"), None);
    }

    #[test]
    fn this_machine_has_counters() {
        assert!(CpuTimes::now().unwrap().total > 0);
    }
}
