/**
 * The ways in which one place of a function is broken.
 *
 *   U1  An expression gets: an operator for another, a constant one off, a flag left out, a condition that always or never
 *       holds, a boolean turned round, a negation or complement dropped, its last two arguments exchanged.
 *   U2  A condition that guards a `throw`, or a call that does nothing else, is only negated: no record that Postgres wrote
 *       trips a guard, so that one which never trips, or trips elsewhere, shows nowhere but in libs/postgres' own specs.
 */
import ts from 'typescript';
import type { Constants } from './constants';
import { isBound } from './scope';

/** An expression in place of another. */
export interface Replacement {
  readonly mutation: string;
  readonly text: string;
}

const OPERATORS: Readonly<Partial<Record<ts.SyntaxKind, string>>> = {
  [ts.SyntaxKind.PlusToken]: '-',
  [ts.SyntaxKind.MinusToken]: '+',
  [ts.SyntaxKind.AsteriskToken]: '+',
  [ts.SyntaxKind.SlashToken]: '*',
  [ts.SyntaxKind.AsteriskAsteriskToken]: '*',
  [ts.SyntaxKind.LessThanLessThanToken]: '>>>',
  [ts.SyntaxKind.AmpersandToken]: '|',
  [ts.SyntaxKind.BarToken]: '&',
  [ts.SyntaxKind.AmpersandAmpersandToken]: '||',
  [ts.SyntaxKind.BarBarToken]: '&&',
  [ts.SyntaxKind.LessThanToken]: '<=',
  [ts.SyntaxKind.LessThanEqualsToken]: '<',
  [ts.SyntaxKind.GreaterThanToken]: '>=',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>',
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: '!==',
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: '===',
  [ts.SyntaxKind.PlusEqualsToken]: '-=',
  [ts.SyntaxKind.MinusEqualsToken]: '+=',
  [ts.SyntaxKind.BarEqualsToken]: '&=',
};

/** Operators whose right side is dropped: what they do to the left is the point. */
const DROPPED = new Set([ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken, ts.SyntaxKind.PercentToken]);

export function replacementsOf(node: ts.Node, constants: Constants): Replacement[] {
  if (ts.isNumericLiteral(node)) return literal(node);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [{ mutation: 'true to false', text: 'false' }];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [{ mutation: 'false to true', text: 'true' }];
  if (ts.isIdentifier(node)) return isValue(node) && constants.numbers.has(node.text) ? [offOrOut(node)] : [];
  if (ts.isPropertyAccessExpression(node)) return code(node, constants);
  if (ts.isBinaryExpression(node)) return operator(node);
  if (ts.isPrefixUnaryExpression(node)) return prefix(node);
  if (ts.isPostfixUnaryExpression(node))
    return isUsed(node) ? [{ mutation: 'not counted', text: textOf(node.operand) }] : [];
  if (ts.isConditionalExpression(node))
    return always(node.condition).map(({ mutation, text }) => ({
      mutation,
      text: `${text} ? ${textOf(node.whenTrue)} : ${textOf(node.whenFalse)}`,
    }));
  if (ts.isCallExpression(node)) return exchanged(node);
  return [];
}

export const textOf = (node: ts.Node): string => node.getText();

/** A condition that always holds, and one that never does. */
export const always = (condition: ts.Expression): Replacement[] => [
  { mutation: `always: ${textOf(condition)}`, text: 'true' },
  { mutation: `never: ${textOf(condition)}`, text: 'false' },
];

export const negated = (condition: ts.Expression): Replacement => ({
  mutation: 'negated',
  text: `!(${textOf(condition)})`,
});

function literal(node: ts.NumericLiteral): Replacement[] {
  if (ts.isPropertyAssignment(node.parent) && node.parent.name === node) return [];
  return [offOrOut(node)];
}

/** Where bits are combined a number's bits go, elsewhere it is one off. */
const offOrOut = (node: ts.Expression): Replacement =>
  isBit(node) && textOf(node) !== '0'
    ? { mutation: 'bits left out', text: '0' }
    : { mutation: 'one more', text: `${textOf(node)} + 1` };

/** Whether an identifier stands for its value here, and not for the name of a property. */
const isValue = (node: ts.Identifier): boolean =>
  !ts.isPropertyAccessExpression(node.parent) &&
  !ts.isShorthandPropertyAssignment(node.parent) &&
  !(ts.isPropertyAssignment(node.parent) && node.parent.name === node);

/** A code of a set. */
const code = (node: ts.PropertyAccessExpression, { codes }: Constants): Replacement[] =>
  ts.isIdentifier(node.expression) && codes.has(node.expression.text) ? [offOrOut(node)] : [];

function isBit({ parent }: ts.Node): boolean {
  if (ts.isParenthesizedExpression(parent)) return isBit(parent);
  if (ts.isPrefixUnaryExpression(parent)) return parent.operator === ts.SyntaxKind.TildeToken;
  if (!ts.isBinaryExpression(parent)) return false;
  const { kind } = parent.operatorToken;
  return (
    kind === ts.SyntaxKind.BarToken || kind === ts.SyntaxKind.AmpersandToken || kind === ts.SyntaxKind.BarEqualsToken
  );
}

function operator(node: ts.BinaryExpression): Replacement[] {
  const { left, operatorToken, right } = node;
  if (DROPPED.has(operatorToken.kind)) return [{ mutation: `without ${textOf(operatorToken)}`, text: textOf(left) }];
  if (operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken)
    return [{ mutation: 'without ??', text: textOf(right) }];
  const other = OPERATORS[operatorToken.kind];
  if (other === undefined) return [];
  return [{ mutation: `${textOf(operatorToken)} to ${other}`, text: `${textOf(left)} ${other} ${textOf(right)}` }];
}

const PREFIXES: Readonly<Partial<Record<ts.PrefixUnaryOperator, string>>> = {
  [ts.SyntaxKind.ExclamationToken]: 'without !',
  [ts.SyntaxKind.TildeToken]: 'without ~',
  [ts.SyntaxKind.MinusToken]: 'without -',
};

function prefix(node: ts.PrefixUnaryExpression): Replacement[] {
  const mutation = PREFIXES[node.operator];
  return mutation === undefined ? [] : [{ mutation, text: textOf(node.operand) }];
}

/** Whether the value of `at++` is used; where it is not, the whole statement goes instead, or the loop does not end. */
const isUsed = ({ parent }: ts.Node): boolean =>
  !ts.isExpressionStatement(parent) &&
  !ts.isForStatement(parent) &&
  !(ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.CommaToken);

/** Functions to which the order of their last two arguments is the same, or nearly. */
const ORDER_IS_FREE = /^Math\.|^Array\.|\.skip$|^mergeTids$|^advanceMemberOffset$/;

/** The last two arguments the other way round, where both look like numbers. */
function exchanged(node: ts.CallExpression): Replacement[] {
  const name = textOf(node.expression);
  const count = node.arguments.length;
  const [first, second] = node.arguments.slice(-2);
  if (first === undefined || second === undefined || ORDER_IS_FREE.test(name)) return [];
  if (isBound(name, count - 1) || !isNumber(first) || !isNumber(second)) return [];
  const rest = node.arguments.slice(0, -2).map(textOf);
  return [{ mutation: 'arguments exchanged', text: `${name}(${[...rest, textOf(second), textOf(first)].join(', ')})` }];
}

/** Names that this library gives to byte strings and records: exchanging one with a number would break every call. */
const NOT_A_NUMBER = /(^|\.)(page|map|bytes|delta|old|original|source|target|record|block|context|changes|posting)$/;

function isNumber(node: ts.Expression): boolean {
  if (ts.isAsExpression(node) || ts.isParenthesizedExpression(node)) return isNumber(node.expression);
  if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) return !NOT_A_NUMBER.test(textOf(node));
  return (
    ts.isElementAccessExpression(node) ||
    ts.isNumericLiteral(node) ||
    ts.isBinaryExpression(node) ||
    ts.isCallExpression(node)
  );
}
