//! From the syntax tree of CEL to conditions whose names and types are known.

use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::{IdedExpr, Program};
use ipnet::IpNet;
use regex::Regex;

use crate::condition::{Comparison, Condition, TextTest};
use crate::constant::Constant;
use crate::error::ExpressionError;
use crate::field::{Field, Kind};
use crate::names;
use crate::operand::{Arithmetic, Operand};

type Compiled<T> = Result<T, ExpressionError>;

/// Compiles a whole program to a condition.
pub(crate) fn condition(program: &Program) -> Compiled<Condition> {
    Compiler { program }.condition(program.expression())
}

/// One side of a comparison. The type of a constant follows from the other side.
enum Side {
    Typed(Operand, Kind),
    Constant(Constant),
}

struct Compiler<'a> {
    program: &'a Program,
}

impl Compiler<'_> {
    fn wrong<T>(&self, at: &IdedExpr, message: impl Into<String>) -> Compiled<T> {
        let source = self.program.source_info();
        let offset = source.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        Err(ExpressionError::new(offset + 1, message.into()))
    }

    fn condition(&self, e: &IdedExpr) -> Compiled<Condition> {
        match &e.expr {
            Expr::Literal(LiteralValue::Boolean(is_true)) => Ok(Condition::Constant(*is_true.inner())),
            Expr::Select(select) if select.test => self.is_known(e, select),
            Expr::Call(call) => self.call(e, call),
            Expr::Ident(_) | Expr::Select(_) => {
                let (_, kind) = self.field(e)?;
                self.wrong(e, format!("this is a value, not a condition; compare it with {}", kind.described()))
            }
            Expr::Literal(_) => self.wrong(e, "this is a constant, not a condition"),
            _ => self.wrong(e, NOT_THERE),
        }
    }

    fn call(&self, e: &IdedExpr, call: &CallExpr) -> Compiled<Condition> {
        let boxed = |e| self.condition(e).map(Box::new);
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, None, [inner]) => Ok(Condition::Not(boxed(inner)?)),
            (operators::LOGICAL_AND, None, [a, b]) => Ok(Condition::And(boxed(a)?, boxed(b)?)),
            (operators::LOGICAL_OR, None, [a, b]) => Ok(Condition::Or(boxed(a)?, boxed(b)?)),
            (operators::IN, None, [value, list]) => self.one_of(value, list),
            (operators::NOT_EQUALS, None, [a, b]) => {
                Ok(Condition::Not(Box::new(self.compare(e, Comparison::Equal, a, b)?)))
            }
            ("containsIP", Some(network), [address]) => self.within(network, address),
            (name, Some(text), [argument]) => self.text_test(e, name, text, argument),
            (name, None, [a, b]) => match comparison(name) {
                Some(how) => self.compare(e, how, a, b),
                None => self.unknown_function(e, name),
            },
            (name, ..) => self.unknown_function(e, name),
        }
    }

    fn unknown_function<T>(&self, e: &IdedExpr, name: &str) -> Compiled<T> {
        if arithmetic(name).is_some() || name == operators::NEGATE {
            return self.wrong(e, "this is a number, not a condition; compare it");
        }
        if name.contains(['_', '@', '?']) {
            return self.wrong(e, NOT_THERE);
        }
        self.wrong(e, format!("unknown function {name:?} with these arguments; known are {FUNCTIONS}"))
    }

    /// `has(src.process)`.
    fn is_known(&self, e: &IdedExpr, select: &SelectExpr) -> Compiled<Condition> {
        let (field, _) = self.field_of(e, select)?;
        Ok(Condition::Not(Box::new(at_ends(Condition::IsUnknown(Operand::Field(field))))))
    }

    fn compare(&self, e: &IdedExpr, how: Comparison, a: &IdedExpr, b: &IdedExpr) -> Compiled<Condition> {
        let (left, right) = match (self.side(a)?, self.side(b)?) {
            (Side::Typed(operand, _), Side::Constant(Constant::Null))
            | (Side::Constant(Constant::Null), Side::Typed(operand, _)) => return self.unknown(e, how, operand),
            (Side::Typed(left, kind), Side::Constant(constant)) => (left, self.constant(b, &constant, kind)?),
            (Side::Constant(constant), Side::Typed(right, kind)) => (self.constant(a, &constant, kind)?, right),
            (Side::Typed(left, one), Side::Typed(right, other)) if one.fits(other) => (left, right),
            (Side::Typed(_, one), Side::Typed(..)) => {
                return self.wrong(b, format!("the left side is {}, this is not", one.described()));
            }
            (Side::Constant(_), Side::Constant(_)) => return self.wrong(e, "both sides are constants"),
        };
        Ok(at_ends(Condition::Compare(how, left, right)))
    }

    /// `x == null`.
    fn unknown(&self, e: &IdedExpr, how: Comparison, operand: Operand) -> Compiled<Condition> {
        if how != Comparison::Equal {
            return self.wrong(e, "null can only be compared with == and !=");
        }
        Ok(at_ends(Condition::IsUnknown(operand)))
    }

    fn one_of(&self, value: &IdedExpr, list: &IdedExpr) -> Compiled<Condition> {
        let (operand, kind) = self.typed(value)?;
        let Expr::List(list) = &list.expr else {
            return self.wrong(list, format!("expected a list of constants, each {}", kind.described()));
        };
        let values = list.elements.iter().map(|one| match self.side(one)? {
            Side::Constant(constant) => self.datum(one, &constant, kind),
            Side::Typed(..) => self.wrong(one, "expected a constant"),
        });
        Ok(at_ends(Condition::OneOf(operand, values.collect::<Compiled<_>>()?)))
    }

    /// `cidr("10.0.0.0/8").containsIP(src.address)`, as in Kubernetes' library for CEL.
    fn within(&self, network: &IdedExpr, address: &IdedExpr) -> Compiled<Condition> {
        let text = match &network.expr {
            Expr::Call(CallExpr { func_name, target: None, args }) if func_name == "cidr" => {
                self.only_text(network, args)?
            }
            _ => return self.wrong(network, "expected a network such as cidr(\"10.0.0.0/8\")"),
        };
        let Ok(parsed) = text.parse::<IpNet>() else {
            return self.wrong(network, format!("{text:?} is not a network such as \"10.0.0.0/8\""));
        };
        let (operand, kind) = self.typed(address)?;
        if kind != Kind::Address {
            return self.wrong(address, format!("expected {}", Kind::Address.described()));
        }
        Ok(at_ends(Condition::Within(operand, parsed)))
    }

    fn text_test(&self, e: &IdedExpr, name: &str, text: &IdedExpr, argument: &IdedExpr) -> Compiled<Condition> {
        let part = self.only_text(argument, std::slice::from_ref(argument))?;
        let test = match name {
            "startsWith" => TextTest::StartsWith(part.into()),
            "endsWith" => TextTest::EndsWith(part.into()),
            "contains" => TextTest::Contains(part.into()),
            "matches" => TextTest::Matches(self.regex(argument, &part)?),
            _ => return self.unknown_function(e, name),
        };
        let (operand, kind) = self.typed(text)?;
        if kind != Kind::Text {
            return self.wrong(text, format!("{name} needs a text; this is {}", kind.described()));
        }
        Ok(at_ends(Condition::Text(operand, test)))
    }

    fn regex(&self, at: &IdedExpr, pattern: &str) -> Compiled<Regex> {
        /// Limit of a compiled pattern, bytes, because patterns may come over HTTP.
        const MAX_REGEX_BYTES: usize = 1 << 20;
        let built =
            regex::RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).dfa_size_limit(MAX_REGEX_BYTES).build();
        built.or_else(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.wrong(at, format!("{pattern:?} is not a regular expression: {last}"))
        })
    }

    fn only_text(&self, at: &IdedExpr, arguments: &[IdedExpr]) -> Compiled<String> {
        match arguments {
            [IdedExpr { expr: Expr::Literal(LiteralValue::String(text)), .. }] => Ok(text.inner().to_owned()),
            _ => self.wrong(at, "expected one quoted text"),
        }
    }

    fn typed(&self, e: &IdedExpr) -> Compiled<(Operand, Kind)> {
        match self.side(e)? {
            Side::Typed(operand, kind) => Ok((operand, kind)),
            Side::Constant(_) => self.wrong(e, "expected a name, not a constant"),
        }
    }

    fn side(&self, e: &IdedExpr) -> Compiled<Side> {
        match &e.expr {
            Expr::Literal(literal) => match Constant::of(literal) {
                Some(constant) => Ok(Side::Constant(constant)),
                None => self.wrong(e, "no element has values of this type"),
            },
            Expr::Ident(_) => self.field(e).map(|(field, kind)| Side::Typed(Operand::Field(field), kind)),
            Expr::Select(select) if !select.test => {
                self.field_of(e, select).map(|(field, kind)| Side::Typed(Operand::Field(field), kind))
            }
            Expr::Call(call) => self.computed(e, call),
            _ => self.wrong(e, NOT_THERE),
        }
    }

    fn computed(&self, e: &IdedExpr, call: &CallExpr) -> Compiled<Side> {
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            ("timestamp", None, args) => self.converted(e, args, Kind::Time),
            ("duration", None, args) => self.converted(e, args, Kind::Duration),
            (operators::NEGATE, None, [inner]) => {
                let zero = Operand::Constant(crate::datum::Datum::Integer(0));
                Ok(negated(zero, self.number(inner)?))
            }
            (name, None, [a, b]) => match arithmetic(name) {
                Some(how) => {
                    let (a, b) = (Box::new(self.number(a)?), Box::new(self.number(b)?));
                    Ok(Side::Typed(Operand::Computed(how, a, b), Kind::Number))
                }
                None if comparison(name).is_some() => self.wrong(e, "a condition cannot be compared; use &&, || or !"),
                None => self.unknown_function(e, name),
            },
            (name, ..) => self.unknown_function(e, name),
        }
    }

    fn converted(&self, e: &IdedExpr, arguments: &[IdedExpr], kind: Kind) -> Compiled<Side> {
        let text = self.only_text(e, arguments)?;
        let operand = self.constant(e, &Constant::Text(text), kind)?;
        Ok(Side::Typed(operand, kind))
    }

    fn number(&self, e: &IdedExpr) -> Compiled<Operand> {
        match self.side(e)? {
            Side::Typed(operand, Kind::Number) => Ok(operand),
            Side::Constant(constant) => self.constant(e, &constant, Kind::Number),
            Side::Typed(_, kind) => self.wrong(e, format!("expected a number; this is {}", kind.described())),
        }
    }

    fn constant(&self, at: &IdedExpr, constant: &Constant, kind: Kind) -> Compiled<Operand> {
        self.datum(at, constant, kind).map(Operand::Constant)
    }

    fn datum(&self, at: &IdedExpr, constant: &Constant, kind: Kind) -> Compiled<crate::datum::Datum<'static>> {
        match constant.as_kind(kind) {
            Some(datum) => Ok(datum),
            None => self.wrong(at, format!("expected {}, not {}", kind.described(), constant.shown())),
        }
    }

    fn field(&self, e: &IdedExpr) -> Compiled<(Field, Kind)> {
        match &e.expr {
            Expr::Ident(name) => self.known(e, names::field(name), name),
            Expr::Select(select) => self.field_of(e, select),
            _ => self.wrong(e, "expected a name"),
        }
    }

    /// `src.NAME` or `dst.NAME`.
    fn field_of(&self, e: &IdedExpr, select: &SelectExpr) -> Compiled<(Field, Kind)> {
        match &select.operand.expr {
            Expr::Ident(end) => {
                let name = format!("{end}.{}", select.field);
                self.known(&select.operand, names::field_of(end, &select.field), &name)
            }
            _ => self.wrong(e, "expected src.NAME or dst.NAME"),
        }
    }

    fn known(&self, at: &IdedExpr, field: Option<Field>, name: &str) -> Compiled<(Field, Kind)> {
        if let Some(field) = field {
            let kind = if field.scale.is_some() { Kind::Number } else { field.kind };
            return Ok((field, kind));
        }
        let hint = names::nearest(name).map_or_else(
            || "`pidflow fields --short` lists the names".into(),
            |known| format!("did you mean {known}?"),
        );
        self.wrong(at, format!("unknown name {name}; {hint}"))
    }
}

const NOT_THERE: &str =
    "this part of CEL is not supported; supported are comparisons, in, &&, ||, !, + - * / % and functions";
const FUNCTIONS: &str = "startsWith, endsWith, contains, matches, cidr, containsIP, timestamp and duration";

/// Wraps a condition so that it is evaluated at both ends, if its value depends on the end.
fn at_ends(condition: Condition) -> Condition {
    let depends = match &condition {
        Condition::Compare(_, a, b) => a.is_of_either_end() || b.is_of_either_end(),
        Condition::OneOf(operand, _)
        | Condition::Text(operand, _)
        | Condition::Within(operand, _)
        | Condition::IsUnknown(operand) => operand.is_of_either_end(),
        _ => false,
    };
    if depends { Condition::AtEitherEnd(Box::new(condition)) } else { condition }
}

fn negated(zero: Operand, number: Operand) -> Side {
    Side::Typed(Operand::Computed(Arithmetic::Subtract, Box::new(zero), Box::new(number)), Kind::Number)
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}
