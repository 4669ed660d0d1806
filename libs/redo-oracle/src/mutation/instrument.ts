/**
 * A library's sources with every mutation in them at once, each switched on by its number.
 *
 *   N1  With no mutant switched on, instrumented code does what the original does, and tells which mutants it passed.
 *   N2  A mutant that is on changes one place of one function. Only function bodies and default values are mutated: what is
 *       computed when a module is loaded cannot be switched. Constants are broken where they are used.
 *   N3  Every loop and every function counts a step, so that a mutant that does not end is stopped.
 *
 * @example if (flags & 1) f(a, 2);   // becomes, in part
 *          if (on(7) ? true : (flags & (on(8) ? 2 : 1))) { step(); if (!on(9)) f(a, on(10) ? 3 : 2); }
 */
import ts from 'typescript';
import type { Constants } from './constants';
import type { Mutant } from './mutant';
import { always, negated, replacementsOf, textOf, type Replacement } from './mutations';
import { isBound, isBoundProperty, isCheck, isCheckStatement, isFunctionMutated } from './scope';

export interface InstrumentedFile {
  readonly text: string;
  readonly mutants: readonly Mutant[];
}

export interface Source {
  /** Below the library's root. */
  readonly file: string;
  readonly syntax: ts.SourceFile;
}

export interface InstrumentOptions {
  readonly constants: Constants;
  /** The number of the first mutant. */
  readonly firstId: number;
  readonly switchModule: string;
  /** Which mutants can be switched on; others cost nothing, and are told of all the same. */
  readonly isChosen: (id: number) => boolean;
}

export function instrument(source: Source, options: InstrumentOptions): InstrumentedFile {
  const { switchModule } = options;
  const writer = new InstrumentedSource(source, options);
  const text = writer.render(source.syntax);
  const imports = `import { branch as __branch, on as __on, scratch as __scratch, step as __step } from '${switchModule}';\n`;
  return { text: imports + text, mutants: writer.mutants };
}

class InstrumentedSource {
  readonly mutants: Mutant[] = [];
  private functionName: string | null = null;
  private conditionCount = 0;
  private readonly occurrences = new Map<string, number>();

  constructor(
    private readonly source: Source,
    private readonly options: InstrumentOptions,
  ) {}

  /** The text of a node, mutations and all. */
  render(node: ts.Node): string {
    if (ts.isTypeNode(node) || ts.isThrowStatement(node) || ts.isImportDeclaration(node)) return textOf(node);
    if (this.functionName !== null || !isFunction(node)) return this.renderNamed(node);
    const name = nameOf(node);
    if (!isFunctionMutated(name)) return textOf(node);
    this.functionName = name;
    const text = this.renderNamed(node);
    this.functionName = null;
    return text;
  }

  private renderNamed(node: ts.Node): string {
    if (this.functionName === null) return this.renderOutside(node);
    if (ts.isFunctionLike(node)) return this.renderFunction(node);
    if (ts.isIfStatement(node)) return this.renderIf(node);
    if (ts.isIterationStatement(node, false)) return this.renderLoop(node);
    if (ts.isExpressionStatement(node)) return this.renderStatement(node);
    if (ts.isCaseClause(node)) return this.renderCase(node);
    if (ts.isConditionalExpression(node)) return this.choose(node, this.renderConditional(node));
    if (ts.isCallExpression(node)) return this.choose(node, this.renderCall(node));
    if (ts.isPropertyAssignment(node) && isBoundProperty(textOf(node.name))) return textOf(node);
    if (ts.isAsExpression(node)) return `${this.render(node.expression)}${this.after(node, node.expression)}`;
    return this.choose(node, this.renderChildren(node));
  }

  /** Buffers made when the module is loaded are shared by all that run afterwards. */
  private renderOutside(node: ts.Node): string {
    const isBuffer = ts.isNewExpression(node) && /^(Uint|Int)\d+Array$/.test(textOf(node.expression));
    return isBuffer ? `__scratch(${textOf(node)})` : this.renderChildren(node);
  }

  /** What follows a child in its parent, as it is. */
  private after = (parent: ts.Node, child: ts.Node): string => this.source.syntax.text.slice(child.end, parent.end);

  private renderChildren(node: ts.Node, skip?: (child: ts.Node) => boolean): string {
    const { text } = this.source.syntax;
    let at = node.getStart();
    let rendered = '';
    ts.forEachChild(node, (child) => {
      rendered += text.slice(at, child.getStart()) + (skip?.(child) === true ? textOf(child) : this.render(child));
      at = child.end;
    });
    return rendered + text.slice(at, node.end);
  }

  /** An expression or, when one of its mutants is on, another. */
  private choose(node: ts.Node, text: string): string {
    return this.chooseAmong(node, replacementsOf(node, this.options.constants), text);
  }

  private chooseAmong(node: ts.Node, replacements: readonly Replacement[], text: string): string {
    if (replacements.length === 0) return text;
    const branches = replacements.map((each) => `${this.on(node, each.mutation)} ? (${each.text}) : `);
    return `(${branches.join('')}(${text}))`;
  }

  /** A further mutant: the condition under which it is on. */
  private on(node: ts.Node, mutation: string): string {
    const id = this.options.firstId + this.mutants.length;
    const { line } = this.source.syntax.getLineAndCharacterOfPosition(node.getStart());
    const functionName = this.functionName ?? '';
    const original = isFunction(node) ? '' : textOf(node).replaceAll(/\s+/g, ' ');
    const alike = `${functionName}: ${original} [${mutation}]`;
    const occurrence = (this.occurrences.get(alike) ?? 0) + 1;
    this.occurrences.set(alike, occurrence);
    this.mutants.push({ id, file: this.source.file, functionName, line: line + 1, mutation, original, occurrence });
    return this.options.isChosen(id) ? `__on(${id})` : 'false';
  }

  private renderFunction(node: ts.SignatureDeclaration): string {
    const body = bodyOf(node);
    if (body === undefined) return this.renderChildren(node);
    const removed = isNamed(node) && !onlyThrows(body) ? this.on(node, 'body removed') : null;
    const head = this.headOf(node, body);
    if (!ts.isBlock(body)) {
      const value = this.render(body);
      return `${head}(__step(), ${removed === null ? '' : `${removed} ? undefined : `}${value})`;
    }
    const statements = this.renderChildren(body).slice(1);
    return `${head}{ __step(); ${removed === null ? '' : `if (${removed}) return undefined; `}${statements}`;
  }

  /** Everything of a function before its body: default values are part of what it does. */
  private headOf(node: ts.SignatureDeclaration, body: ts.Node): string {
    const whole = this.renderChildren(node, (child) => child === body);
    return whole.slice(0, whole.length - textOf(body).length);
  }

  private renderIf(node: ts.IfStatement): string {
    const { expression, thenStatement, elseStatement } = node;
    const condition = onlyThrows(thenStatement)
      ? this.chooseAmong(expression, [negated(expression)], textOf(expression))
      : this.marked(this.chooseAmong(expression, always(expression), this.render(expression)));
    const otherwise = elseStatement === undefined ? '' : ` else ${this.render(elseStatement)}`;
    return `if (${condition}) ${this.render(thenStatement)}${otherwise}`;
  }

  private renderConditional({ condition, whenTrue, whenFalse }: ts.ConditionalExpression): string {
    return `${this.marked(this.render(condition))} ? ${this.render(whenTrue)} : ${this.render(whenFalse)}`;
  }

  /** A condition that tells whether it holds. There are more mutants than conditions, so that numbers of files do not meet. */
  private marked = (text: string): string => `__branch(${this.options.firstId + this.conditionCount++}, ${text})`;

  private renderLoop(node: ts.IterationStatement): string {
    const { statement } = node;
    const body = (): string => `{ __step(); ${this.render(statement)} }`;
    if (ts.isDoStatement(node)) return `do ${body()} while (${this.render(node.expression)});`;
    const condition = ts.isForStatement(node)
      ? node.condition
      : ts.isWhileStatement(node)
        ? node.expression
        : undefined;
    const never = condition === undefined ? null : this.on(condition, 'loop never entered');
    const { text } = this.source.syntax;
    let at = node.getStart();
    let head = '';
    ts.forEachChild(node, (child) => {
      if (child === statement) return;
      const rendered = this.render(child);
      head += text.slice(at, child.getStart()) + (child === condition ? `(!${never} && (${rendered}))` : rendered);
      at = child.end;
    });
    return `${head}${text.slice(at, statement.getStart())}${body()}`;
  }

  private renderStatement(node: ts.ExpressionStatement): string {
    const { expression } = node;
    if (ts.isCallExpression(expression) && isCheckStatement(textOf(expression.expression))) return textOf(node);
    const text = this.render(expression);
    return `{ if (!${this.on(expression, 'removed')}) ${text}; }`;
  }

  private renderCase(node: ts.CaseClause): string {
    const never = this.on(node.expression, 'case removed');
    const statements = node.statements.map((statement) => this.render(statement)).join('\n');
    return `case (${never} ? NaN : (${textOf(node.expression)})):\n${statements}`;
  }

  private renderCall(node: ts.CallExpression): string {
    const name = textOf(node.expression);
    return this.renderChildren(node, (child) =>
      isBound(
        name,
        node.arguments.findIndex((each) => each === child),
      ),
    );
  }
}

/** Functions whose bodies are mutated. */
const isFunction = (node: ts.Node): node is ts.SignatureDeclaration =>
  ts.isFunctionDeclaration(node) ||
  ts.isMethodDeclaration(node) ||
  ts.isGetAccessor(node) ||
  ts.isArrowFunction(node) ||
  ts.isFunctionExpression(node);

/** Whether a function has a name of its own; a callback has none. */
const isNamed = (node: ts.SignatureDeclaration): boolean =>
  node.name !== undefined || ts.isVariableDeclaration(node.parent) || ts.isPropertyAssignment(node.parent);

/** The name that a function's mutants go by: `function`, `Class.method`, `variable` or `variable.property`. */
function nameOf(node: ts.Node): string {
  if (ts.isSourceFile(node)) return '';
  const hasName =
    ts.isFunctionDeclaration(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isGetAccessor(node) ||
    ts.isClassDeclaration(node) ||
    ts.isVariableDeclaration(node) ||
    ts.isPropertyAssignment(node);
  const outer = nameOf(node.parent);
  const own = hasName && node.name !== undefined ? textOf(node.name) : '';
  return [outer, own].filter((part) => part !== '').join('.');
}

const bodyOf = (node: ts.SignatureDeclaration): ts.Node | undefined => ('body' in node ? node.body : undefined);

/** Whether a statement throws, or calls what does nothing else. */
function onlyThrows(node: ts.Node): boolean {
  if (ts.isThrowStatement(node)) return true;
  if (ts.isExpressionStatement(node) && ts.isCallExpression(node.expression))
    return isCheck(textOf(node.expression.expression));
  const [only, ...others] = ts.isBlock(node) ? node.statements : [];
  return only !== undefined && others.length === 0 && onlyThrows(only);
}
