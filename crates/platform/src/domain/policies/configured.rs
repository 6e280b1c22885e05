use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tenure_kernel::decision::{Decision, DecisionInput, DecisionPoint, Policy};

/// The `[policy]` table of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It has another shape.
    #[error("[policy] cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// A rule would deny everything.
    #[error(
        "[[policy.deny]] number {0} names nothing to deny; give it at least one of tenant, workflow, node_type, host"
    )]
    Empty(usize),
    /// A rule that would never be asked.
    #[error(
        "[[policy.deny]] number {rule} names the node type `{node_type}`, about which nothing is asked; use one of {}",
        ASKED.join(", ")
    )]
    NodeType {
        /// Which rule, from 1.
        rule: usize,
        /// As it stands there.
        node_type: String,
    },
}

/// The types of nodes whose steps do something: before each the policy is asked. The others only say what comes next.
const ASKED: [&str; 5] = ["transform", "http", "plugin", "approval", "wait"];

/// Denies what the configuration's rules name, and allows the rest:
///
/// ```toml
/// [[policy.deny]]
/// tenant = ["acme", "globex"]   # slugs or identifiers
/// workflow = "Nightly export"   # names or identifiers
/// node_type = "http"
/// host = "*.example.com"        # the host itself, or `*.` and all below it
/// reason = "exports are frozen until March"
/// ```
///
/// Whatever a rule does not name it leaves open; of a list one must match, of the members all. A rule is asked where the
/// narrowest thing it names is known: a host when a call is made, a type of node when a step starts, all else when an
/// execution is requested.
#[derive(Debug, Clone, Default)]
pub struct ConfiguredPolicy {
    rules: Vec<Rule>,
    version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    deny: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    tenant: Option<Words>,
    workflow: Option<Words>,
    node_type: Option<Words>,
    host: Option<Words>,
    reason: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

impl Words {
    fn first_outside(&self, known: &[&str]) -> Option<&str> {
        let words = match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Several(words) => words,
        };
        words.iter().map(String::as_str).find(|word| !known.contains(word))
    }

    fn any(&self, matches: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(word) => matches(word),
            Self::Several(words) => words.iter().any(|word| matches(word)),
        }
    }
}

/// Of a member that is not given everything matches; what is not known matches nothing that is.
fn fits(words: Option<&Words>, matches: impl Fn(&str) -> Option<bool>) -> bool {
    words.is_none_or(|words| words.any(|word| matches(word).unwrap_or(false)))
}

impl Rule {
    fn point(&self) -> DecisionPoint {
        match (&self.host, &self.node_type) {
            (Some(_), _) => DecisionPoint::Egress,
            (None, Some(_)) => DecisionPoint::StepStart,
            (None, None) => DecisionPoint::WorkflowExecute,
        }
    }

    fn is_empty(&self) -> bool {
        self.tenant.is_none() && self.workflow.is_none() && self.node_type.is_none() && self.host.is_none()
    }

    fn denies(&self, input: &DecisionInput) -> bool {
        let id = input.tenant.to_string();
        self.point() == input.point
            && fits(self.tenant.as_ref(), |word| Some(word == input.tenant_slug || word == id))
            && fits(self.workflow.as_ref(), |word| input.workflow.as_ref().map(|(id, name)| word == id || word == name))
            && fits(self.node_type.as_ref(), |word| input.step.as_ref().map(|(_, node_type)| word == node_type))
            && fits(self.host.as_ref(), |word| input.host.as_ref().map(|host| names_host(word, host)))
    }
}

/// Names of hosts have no case, and may end in the root's dot.
fn names_host(word: &str, host: &str) -> bool {
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (word, host) = (plain(word), plain(host));
    match word.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|below| below.ends_with('.')),
        None => word == host,
    }
}

impl ConfiguredPolicy {
    /// From the configuration's `[policy]` table as JSON; `null` denies nothing.
    ///
    /// # Errors
    /// When a rule is not understood: nothing may start under a policy that is only half known.
    pub fn parse(table: &serde_json::Value) -> Result<Self, PolicyError> {
        let Table { deny: rules } = Option::<Table>::deserialize(table)?.unwrap_or_default();
        if let Some(empty) = rules.iter().position(Rule::is_empty) {
            return Err(PolicyError::Empty(empty + 1));
        }
        for (index, rule) in rules.iter().enumerate() {
            // A rule that protects nothing is worse than none: its author relies on it.
            if let Some(node_type) = rule.node_type.as_ref().and_then(|words| words.first_outside(&ASKED)) {
                return Err(PolicyError::NodeType { rule: index + 1, node_type: node_type.to_owned() });
            }
        }
        let digest = Sha256::digest(serde_json::to_vec(&rules)?);
        Ok(Self { rules, version: digest.iter().map(|byte| format!("{byte:02x}")).collect() })
    }
}

impl Policy for ConfiguredPolicy {
    fn decide(&self, input: &DecisionInput) -> Decision {
        let denials = self.rules.iter().enumerate().filter(|(_, rule)| rule.denies(input));
        let reasons: Vec<String> = denials
            .map(|(index, rule)| {
                rule.reason.clone().unwrap_or_else(|| format!("rule {} of the configuration denies it", index + 1))
            })
            .collect();
        Decision { allowed: reasons.is_empty(), reasons, policy_version: self.version.clone() }
    }

    fn concerns(&self, point: DecisionPoint, node_type: Option<&str>) -> bool {
        let names = |rule: &Rule| fits(rule.node_type.as_ref(), |word| node_type.map(|node_type| word == node_type));
        self.rules.iter().any(|rule| rule.point() == point && names(rule))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenure_kernel::{TenantId, Timestamp};

    use super::*;

    fn input(point: DecisionPoint) -> DecisionInput {
        DecisionInput {
            point,
            tenant: TenantId::new(Timestamp::from_micros(1)),
            tenant_slug: "acme".to_owned(),
            principal: "usr_1".to_owned(),
            workflow: Some(("wf_1".to_owned(), "Nightly".to_owned())),
            step: None,
            host: None,
        }
    }

    fn policy(rule: serde_json::Value) -> ConfiguredPolicy {
        ConfiguredPolicy::parse(&json!({ "deny": [rule] })).unwrap()
    }

    #[test]
    fn a_rule_denies_where_all_it_names_matches() {
        let rule = policy(json!({"tenant": ["other", "acme"], "workflow": "Nightly", "reason": "frozen"}));
        let denied = rule.decide(&input(DecisionPoint::WorkflowExecute));
        assert_eq!((denied.allowed, denied.reasons), (false, vec!["frozen".to_owned()]));
        let other = DecisionInput { tenant_slug: "globex".to_owned(), ..input(DecisionPoint::WorkflowExecute) };
        assert!(rule.decide(&other).allowed);
        let nameless = DecisionInput { workflow: None, ..input(DecisionPoint::WorkflowExecute) };
        assert!(rule.decide(&nameless).allowed);
    }

    #[test]
    fn a_rule_is_asked_where_what_it_names_is_known() {
        use DecisionPoint::{Egress, StepStart, WorkflowExecute};
        for (rule, point) in [
            (json!({"tenant": "acme"}), WorkflowExecute),
            (json!({"tenant": "acme", "node_type": "http"}), StepStart),
            (json!({"node_type": "http", "host": "example.com"}), Egress),
        ] {
            let policy = policy(rule);
            for other in [WorkflowExecute, StepStart, Egress] {
                assert_eq!(policy.concerns(other, Some("http")), other == point);
            }
        }
        let step = DecisionInput { step: Some(("a".to_owned(), "http".to_owned())), ..input(StepStart) };
        assert!(!policy(json!({"node_type": "http"})).decide(&step).allowed);
    }

    #[test]
    fn hosts_match_whole_labels() {
        for (word, host, matches) in [
            ("example.com", "EXAMPLE.com.", true),
            ("example.com", "a.example.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
        ] {
            let call = DecisionInput { host: Some(host.to_owned()), ..input(DecisionPoint::Egress) };
            assert_eq!(!policy(json!({"host": word})).decide(&call).allowed, matches, "{word} {host}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_the_version_follows_the_rules() {
        for bad in [
            json!({"deny": [{}]}),
            json!({"allow": []}),
            json!({"deny": [{"tennant": "a"}]}),
            json!([1]),
            json!({"deny": [{"node_type": "htpp"}]}),
            json!({"deny": [{"node_type": ["http", "branch"]}]}),
        ] {
            assert!(ConfiguredPolicy::parse(&bad).is_err(), "{bad}");
        }
        let nothing = ConfiguredPolicy::parse(&json!(null)).unwrap();
        assert!(nothing.decide(&input(DecisionPoint::WorkflowExecute)).allowed);
        assert_ne!(nothing.version, policy(json!({"tenant": "a"})).version);
        assert_eq!(policy(json!({"tenant": "a"})).version, policy(json!({"tenant": "a"})).version);
    }
}
