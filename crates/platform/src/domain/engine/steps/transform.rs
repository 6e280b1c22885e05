//! `transform`: jq or CEL over the document.

use tenure_workflow::nodes::Transform;

use super::{Ran, Step, StepEnd};

pub(super) async fn run(step: &Step, transform: &Transform) -> Ran {
    let part = match transform {
        Transform::Jq(_) => "jq",
        Transform::Cel(_) => "cel",
    };
    step.evaluate(part).await.map(StepEnd::Output)
}
