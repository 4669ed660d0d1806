/** The module-level constants of a library, by name: what a mutant may count one off, and which of them are sets of codes. */
import ts from 'typescript';

export interface Constants {
  /** Numbers. */
  readonly numbers: ReadonlySet<string>;
  /** Objects whose values are numbers: flags, operations, places of fields. */
  readonly codes: ReadonlySet<string>;
}

export function findConstants(sources: Iterable<ts.SourceFile>): Constants {
  const numbers = new Set<string>();
  const codes = new Set<string>();
  for (const source of sources) {
    for (const statement of source.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name, initializer, type } of statement.declarationList.declarations) {
        if (!ts.isIdentifier(name) || initializer === undefined || type !== undefined) continue;
        const value = withoutAssertions(initializer);
        if (isNumeric(value)) numbers.add(name.text);
        else if (ts.isObjectLiteralExpression(value) && value.properties.every(isNumericProperty)) codes.add(name.text);
      }
    }
  }
  return { numbers, codes };
}

const isNumericProperty = (property: ts.ObjectLiteralElementLike): boolean =>
  ts.isPropertyAssignment(property) && isNumeric(property.initializer);

/** Arithmetic over numbers and other constants; a call (of Math.floor, maxAlign) makes a number too. */
function isNumeric(node: ts.Expression): boolean {
  if (ts.isNumericLiteral(node) || ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node))
    return true;
  if (ts.isIdentifier(node)) return /^[A-Z][A-Z0-9_]*$/.test(node.text);
  if (ts.isParenthesizedExpression(node) || ts.isPrefixUnaryExpression(node))
    return isNumeric(ts.isParenthesizedExpression(node) ? node.expression : node.operand);
  if (ts.isBinaryExpression(node)) return isNumeric(node.left) && isNumeric(node.right);
  return ts.isCallExpression(node) && /^(Math\.floor|maxAlign|pack)$/.test(node.expression.getText());
}

function withoutAssertions(node: ts.Expression): ts.Expression {
  return ts.isAsExpression(node) || ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node)
    ? withoutAssertions(node.expression)
    : node;
}
