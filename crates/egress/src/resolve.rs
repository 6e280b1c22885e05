//! Names to addresses, all of them checked before any is connected to.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::address::RefusedRange;
use crate::policy::EgressPolicy;

/// Resolves names; the seam where tests put a name server that lies.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of `host`, an ASCII name without port.
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver (`getaddrinfo`), on a bounded number of threads.
///
/// `getaddrinfo` cannot be interrupted: a lookup whose caller gave up holds its place until it ends by itself, so that
/// slow name servers cost at most [`SystemLookup::THREADS`] threads.
#[derive(Debug, Clone)]
pub struct SystemLookup(Arc<Semaphore>);

impl SystemLookup {
    /// Lookups that may run at one time.
    pub const THREADS: usize = 64;
}

impl Default for SystemLookup {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::THREADS)))
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let (semaphore, host) = (self.0.clone(), host.to_owned());
        async move {
            let permit = semaphore.acquire_owned().await.map_err(io::Error::other)?;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
            })
            .await
            .map_err(io::Error::other)?
        }
        .boxed()
    }
}

/// Lookups that one caller may have under way: a quarter of what there is, so that names which never resolve cost their
/// own tenant's calls alone.
const LOOKUPS_A_CALLER: usize = SystemLookup::THREADS / 4;

tokio::task_local! {
    /// The places of the caller whose call runs in this task.
    static LANE: Arc<Semaphore>;
}

/// The places of each caller that has a call under way.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<HashMap<u128, Weak<Semaphore>>>);

impl Lanes {
    /// Runs a call with its caller's places; without a caller it needs none.
    pub(crate) async fn run<T>(&self, caller: Option<u128>, call: impl Future<Output = T>) -> T {
        match caller.map(|caller| self.of(caller)) {
            Some(lane) => LANE.scope(lane, call).await,
            None => call.await,
        }
    }

    fn of(&self, caller: u128) -> Arc<Semaphore> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&caller).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Semaphore::new(LOOKUPS_A_CALLER));
        lanes.insert(caller, Arc::downgrade(&lane));
        lane
    }
}

/// How far a connector may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses alone.
    Public,
    /// Also loopback and private ones, because the operator named the host.
    Named,
}

impl Reach {
    /// The range that refuses `address` under this reach.
    pub(crate) fn refuses(self, policy: &EgressPolicy, address: IpAddr) -> Option<RefusedRange> {
        policy.refuses(address).filter(|range| self == Self::Public || range.refused_even_if_named())
    }
}

/// Why a name gave no address; carried through the connector as the source of its error.
#[derive(Debug)]
pub(crate) enum ResolveFailure {
    Unknown,
    Refused(RefusedRange),
}

impl fmt::Display for ResolveFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the name does not resolve"),
            Self::Refused(range) => write!(f, "resolves to a refused range ({range})"),
        }
    }
}

impl std::error::Error for ResolveFailure {}

/// The connector's resolver: the addresses it returns are the ones connected to, so a check here is a pin.
pub(crate) struct GuardedResolver {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) policy: Arc<EgressPolicy>,
    pub(crate) reach: Reach,
}

impl GuardedResolver {
    fn check(reach: Reach, policy: &EgressPolicy, addresses: &[IpAddr]) -> Result<(), ResolveFailure> {
        // One refused address refuses the name: a mixed answer is an attempt, and which address wins is chance.
        match addresses.iter().find_map(|&address| reach.refuses(policy, address)) {
            Some(range) => Err(ResolveFailure::Refused(range)),
            None if addresses.is_empty() => Err(ResolveFailure::Unknown),
            None => Ok(()),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, host) = (Arc::clone(&self.lookup), name.as_str().to_owned());
        let lane = LANE.try_with(Arc::clone).ok();
        let (policy, reach) = (self.policy.clone(), self.reach);
        async move {
            let found = match lane {
                None => lookup.lookup(&host).await,
                Some(lane) => {
                    let place = lane.acquire_owned().await.map_err(|_| ResolveFailure::Unknown)?;
                    // A task of its own: the place is taken until the lookup ends, also where the call does before.
                    let looking = tokio::spawn(async move {
                        let _place = place;
                        lookup.lookup(&host).await
                    });
                    looking.await.unwrap_or_else(|error| Err(io::Error::other(error)))
                }
            };
            let addresses = found.map_err(|_| ResolveFailure::Unknown)?;
            Self::check(reach, &policy, &addresses)?;
            // Port 0 stands for the URL's port.
            let pinned: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(pinned)
        }
        .boxed()
    }
}
