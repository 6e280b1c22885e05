//! Between the validator and the sandbox: the one place that knows the words of both.

use tenure_sandbox as sandbox;
use tenure_workflow::expression::{
    Checked, Expression, ExpressionFault, ExpressionKind, Reference, Segment, SourcePosition,
};

/// The program of an expression, named by its JSON pointer.
#[must_use]
pub fn program(expression: &Expression) -> sandbox::Program {
    let language = match expression.kind {
        ExpressionKind::Cel => sandbox::Language::Cel,
        ExpressionKind::Jq => sandbox::Language::Jq,
        ExpressionKind::Template => sandbox::Language::Template,
    };
    sandbox::Program { id: expression.pointer.clone(), language, source: expression.source.clone() }
}

/// The sandbox's answer about one expression, for the validator.
pub(super) fn checked(answer: Result<sandbox::Checked, Vec<sandbox::ExpressionError>>) -> Checked {
    match answer {
        Ok(checked) => Ok(checked.references.into_iter().map(reference).collect()),
        Err(errors) => Err(errors.into_iter().map(fault).collect()),
    }
}

fn reference(reference: sandbox::Reference) -> Reference {
    let segment = |segment| match segment {
        sandbox::Segment::Key(key) => Segment::Key(key),
        sandbox::Segment::Index(index) => Segment::Index(index),
        sandbox::Segment::Any => Segment::Any,
    };
    Reference {
        path: reference.path.into_iter().map(segment).collect(),
        optional: reference.optional,
        position: Some(position(reference.position)),
    }
}

fn fault(error: sandbox::ExpressionError) -> ExpressionFault {
    ExpressionFault {
        syntax: error.kind == sandbox::ExpressionErrorKind::Syntax,
        message: error.message,
        position: error.position.map(position),
        suggestion: None,
    }
}

fn position(position: sandbox::Position) -> SourcePosition {
    SourcePosition { line: position.line, column: position.column, pointer: position.pointer }
}
