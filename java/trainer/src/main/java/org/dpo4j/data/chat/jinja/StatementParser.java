package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.dpo4j.data.chat.jinja.ExpressionParser.TupleMode;
import org.dpo4j.data.chat.jinja.Token.Kind;

/** Parses the statements of a template. */
final class StatementParser {
    /** Statements of jinja2 that are refused. */
    private static final Set<String> REFUSED =
            Set.of("block", "extends", "include", "import", "from", "autoescape", "do", "debug", "trans");

    private final TokenStream tokens;
    private final ExpressionParser expressions;

    private StatementParser(TokenStream tokens) {
        this.tokens = tokens;
        expressions = new ExpressionParser(tokens);
    }

    static List<Stmt> parse(String template) {
        return new StatementParser(new TokenStream(template)).statements(Set.of());
    }

    /** Statements up to one of the end tags, whose name is the current token then; or up to the end of the template. */
    private List<Stmt> statements(Set<String> ends) {
        tokens.enter();
        List<Stmt> body = new ArrayList<>();
        while (!tokens.is(Kind.END)) {
            Token token = tokens.next();
            switch (token.kind()) {
                case DATA -> body.add(new Ast.Data((String) token.value(), token.position()));
                case VARIABLE_BEGIN -> {
                    body.add(new Ast.Print(expressions.tuple(TupleMode.FULL), token.position()));
                    tokens.expect(Kind.VARIABLE_END);
                }
                case BLOCK_BEGIN -> {
                    if (tokens.is(Kind.NAME) && ends.contains(tokens.current().value())) {
                        tokens.leave();
                        return body;
                    }
                    statement(body);
                    tokens.expect(Kind.BLOCK_END);
                }
                default -> throw TokenStream.error("unexpected " + token.describe(), token);
            }
        }
        if (!ends.isEmpty()) {
            throw tokens.unexpected(String.join(" or ", ends.stream().sorted().toList()));
        }
        return body;
    }

    /** The body of a block; the name of its end tag is the current token then. */
    private List<Stmt> body(String... ends) {
        tokens.skipOperator(":");
        tokens.expect(Kind.BLOCK_END);
        return statements(Set.of(ends));
    }

    private List<Stmt> closedBody(String end) {
        List<Stmt> body = body(end);
        tokens.next();
        return body;
    }

    private void statement(List<Stmt> body) {
        Token token = tokens.current();
        if (token.kind() != Kind.NAME) {
            throw tokens.unexpected("the name of a statement");
        }
        tokens.next();
        Position position = token.position();
        switch ((String) token.value()) {
            case "if" -> body.add(ifStatement(position));
            case "for" -> body.add(forStatement(position));
            case "set" -> body.add(setStatement(position));
            case "macro" -> body.add(macro(position));
            case "call" -> body.add(callBlock(position));
            case "filter" -> {
                Expr filter = Objects.requireNonNull(expressions.blockFilters(true));
                body.add(new Ast.FilterBlock(filter, closedBody("endfilter"), position));
            }
            case "with" -> body.add(with(position));
            case "print" -> printStatement(body);
            case "generation" -> body.add(new Ast.Generation(generationBody(), position));
            case "break" -> body.add(new Ast.Jump(true, position));
            case "continue" -> body.add(new Ast.Jump(false, position));
            default ->
                throw TokenStream.error(
                        REFUSED.contains(token.value())
                                ? "the statement " + token.value() + " is not supported"
                                : "unknown statement " + token.value(),
                        token);
        }
    }

    private List<Stmt> generationBody() {
        return closedBody("endgeneration");
    }

    private Stmt ifStatement(Position position) {
        List<Ast.Branch> branches = new ArrayList<>();
        while (true) {
            Expr test = expressions.tuple(TupleMode.TEST);
            branches.add(new Ast.Branch(test, body("elif", "else", "endif")));
            Token end = tokens.next();
            if (end.isName("else")) {
                return new Ast.If(branches, closedBody("endif"), position);
            }
            if (end.isName("endif")) {
                return new Ast.If(branches, List.of(), position);
            }
        }
    }

    private Stmt forStatement(Position position) {
        Expr target = target(TupleMode.target("in", false));
        tokens.expectName("in");
        Expr items = expressions.tuple(TupleMode.LOOP);
        Expr test = tokens.skipName("if") ? expressions.expression() : null;
        boolean isRecursive = tokens.skipName("recursive");
        List<Stmt> body = body("endfor", "else");
        List<Stmt> otherwise = tokens.next().isName("endfor") ? List.of() : closedBody("endfor");
        return new Ast.For(target, items, test, isRecursive, body, otherwise, position);
    }

    private Stmt setStatement(Position position) {
        Expr target = target(TupleMode.target(null, true));
        if (tokens.skipOperator("=")) {
            return new Ast.SetValue(target, expressions.tuple(TupleMode.FULL), position);
        }
        Expr filter = expressions.blockFilters(false);
        return new Ast.SetBlock(target, filter, closedBody("endset"), position);
    }

    private Expr target(TupleMode mode) {
        Expr target = expressions.tuple(mode);
        requireAssignable(target);
        return target;
    }

    private static void requireAssignable(Expr target) {
        if (target instanceof Ast.TupleLiteral tuple) {
            tuple.items().forEach(StatementParser::requireAssignable);
        } else if (!(target instanceof Ast.Name) && !(target instanceof Ast.NamespaceRef)) {
            throw new TemplateError("a value cannot be assigned to this", target.position());
        }
    }

    private Stmt with(Position position) {
        List<Expr> targets = new ArrayList<>();
        List<Expr> values = new ArrayList<>();
        while (!tokens.is(Kind.BLOCK_END)) {
            if (!targets.isEmpty()) {
                tokens.expectOperator(",");
            }
            targets.add(target(TupleMode.target(null, false)));
            tokens.expectOperator("=");
            values.add(expressions.expression());
        }
        return new Ast.With(targets, values, closedBody("endwith"), position);
    }

    private void printStatement(List<Stmt> body) {
        boolean isFirst = true;
        while (!tokens.is(Kind.BLOCK_END)) {
            if (!isFirst) {
                tokens.expectOperator(",");
            }
            isFirst = false;
            Expr value = expressions.expression();
            body.add(new Ast.Print(value, value.position()));
        }
    }

    private String assignableName() {
        Token token = tokens.expect(Kind.NAME);
        String name = (String) token.value();
        if (Set.of("true", "false", "none", "True", "False", "None").contains(name)) {
            throw TokenStream.error("a value cannot be assigned to " + name, token);
        }
        return name;
    }

    private Stmt macro(Position position) {
        String name = assignableName();
        return new Ast.MacroBlock(name, signature(), closedBody("endmacro"), position);
    }

    private Stmt callBlock(Position position) {
        Ast.Signature signature = tokens.isOperator("(") ? signature() : new Ast.Signature(List.of(), List.of());
        Expr call = expressions.expression();
        if (!(call instanceof Ast.Call target)) {
            throw new TemplateError("a call is expected behind the statement call", position);
        }
        return new Ast.CallBlock(signature, target, closedBody("endcall"), position);
    }

    private Ast.Signature signature() {
        List<Ast.Name> parameters = new ArrayList<>();
        List<Expr> defaults = new ArrayList<>();
        Set<String> names = new HashSet<>();
        tokens.expectOperator("(");
        while (!tokens.isOperator(")")) {
            if (!parameters.isEmpty()) {
                tokens.expectOperator(",");
            }
            Token token = tokens.current();
            Ast.Name name = new Ast.Name(assignableName(), token.position());
            if (!names.add(name.name())) {
                throw TokenStream.error("the parameter " + name.name() + " is declared twice", token);
            }
            if (tokens.skipOperator("=")) {
                defaults.add(expressions.expression());
            } else if (!defaults.isEmpty()) {
                throw TokenStream.error("a parameter without default follows one with a default", token);
            }
            parameters.add(name);
        }
        tokens.expectOperator(")");
        return new Ast.Signature(parameters, defaults);
    }
}
