//! What every request pays on the way in, counted: a credential that this node knows, and the check of a permission, take
//! nothing from the allocator.

#![expect(unsafe_code, reason = "a global allocator is unsafe to implement; this one counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::json;
use tenure_kernel::permission::{Permission as _, TeamRead};
use tenure_kernel::{Credential, PermissionSet};
use tenure_platform::testkit::TestApp;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; the count is a thread-local cell that never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread took memory meanwhile.
fn taken(work: impl FnOnce()) -> u64 {
    let before = TAKEN.with(Cell::get);
    work();
    TAKEN.with(Cell::get) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_credential_and_a_permission_cost_no_allocation() {
    assert!(taken(|| drop(black_box(Box::new(7)))) >= 1, "the counter counts");
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let key = app.post(&ada, "/api-keys", json!({"name": "counted", "scopes": ["team:read"]})).await.expect(201);
    let key = key["key"].as_str().unwrap().to_owned();
    let foreign = "sk_live_51HG7abzYq0Wn3Rd8KfTcVx2".to_owned();
    let csv = format!("name,owner,key,scopes\ncounted,ada,{foreign},team:read\n");
    let _ = app.post(&ada, "/api-key-imports", json!({"csv": csv})).await.expect(201);
    let from = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    for (what, credential) in [("token", &ada.token), ("key", &key), ("key of another system", &foreign)] {
        let credential = Credential::Bearer(credential);
        // An import goes on beside the requests.
        for _ in 0..200 {
            if app.app.kernel.authenticate(credential, from).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let known = app.app.kernel.authenticate(credential, from).await.unwrap();
        // Now and then the caches put in order what was read, on whatever thread passes by, and news make them forget: neither is
        // the cost of a request.
        let mut least = None;
        for _ in 0..200 {
            let _ = app.app.kernel.authenticate(credential, from).await.unwrap();
            let mut all_known = true;
            let taken = taken(|| {
                for _ in 0..100 {
                    match app.app.kernel.remembered(black_box(credential), from) {
                        Some(identity) => {
                            let missing = TeamRead::NEEDS.missing_from(black_box(identity.permissions));
                            assert_eq!(missing, PermissionSet::NONE);
                        }
                        None => all_known = false,
                    }
                }
            });
            if all_known {
                least = Some(least.map_or(taken, |least: u64| least.min(taken)));
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(least, Some(0), "a known {what} and its permission take memory");
        assert_eq!(known.tenant, ada.tenant());
    }
}
