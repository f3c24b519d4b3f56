package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.chat.jinja.Ast.CallArguments;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Token.Kind;
import org.jspecify.annotations.Nullable;

/** Parses expressions. */
final class ExpressionParser {
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

    private static final int MAX_CHAIN = 100;

    private final TokenStream tokens;
    private final ArgumentParser arguments;
    private final SubscriptParser subscripts;

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
        this.arguments = new ArgumentParser(tokens, this::expression);
        this.subscripts = new SubscriptParser(tokens, this::expression);
    }

    /** How a list of expressions without brackets is read. */
    record TupleMode(
            boolean isTarget,
            boolean hasConditional,
            @Nullable String endName,
            boolean isInParentheses,
            boolean hasNamespace) {
        static final TupleMode FULL = new TupleMode(false, true, null, false, false);
        static final TupleMode PARENTHESES = new TupleMode(false, true, null, true, false);
        static final TupleMode TEST = new TupleMode(false, false, null, false, false);
        static final TupleMode LOOP = new TupleMode(false, false, "recursive", false, false);

        static TupleMode target(@Nullable String endName, boolean hasNamespace) {
            return new TupleMode(true, true, endName, false, hasNamespace);
        }
    }

    Expr tuple(TupleMode mode) {
        Position position = tokens.current().position();
        List<Expr> items = new ArrayList<>();
        boolean isTuple = false;
        while (true) {
            if (!items.isEmpty()) {
                tokens.expectOperator(",");
            }
            if (isTupleEnd(mode)) {
                break;
            }
            items.add(mode.isTarget() ? primary(mode.hasNamespace()) : expression(mode.hasConditional()));
            if (!tokens.isOperator(",")) {
                break;
            }
            isTuple = true;
        }
        if (!isTuple && !items.isEmpty()) {
            return items.get(0);
        }
        if (!isTuple && !mode.isInParentheses()) {
            throw tokens.unexpected("an expression");
        }
        return new Ast.TupleLiteral(items, position);
    }

    private boolean isTupleEnd(TupleMode mode) {
        return tokens.is(Kind.VARIABLE_END)
                || tokens.is(Kind.BLOCK_END)
                || tokens.isOperator(")")
                || mode.endName() != null && tokens.isName(mode.endName());
    }

    Expr expression() {
        return expression(true);
    }

    private Expr expression(boolean hasConditional) {
        tokens.enter();
        Expr expression = hasConditional ? conditional() : or();
        tokens.leave();
        return expression;
    }

    private Expr conditional() {
        Position position = tokens.current().position();
        Expr then = or();
        for (int length = 0; tokens.skipName("if"); length++) {
            checkChain(length);
            Expr test = or();
            Expr otherwise = tokens.skipName("else") ? expression(true) : null;
            then = new Ast.Conditional(test, then, otherwise, position);
        }
        return then;
    }

    private void checkChain(int length) {
        if (length > MAX_CHAIN) {
            throw TokenStream.error("an expression of more than " + MAX_CHAIN + " parts", tokens.current());
        }
    }

    private Expr or() {
        Position position = tokens.current().position();
        Expr left = and();
        for (int length = 0; tokens.skipName("or"); length++) {
            checkChain(length);
            left = new Ast.Binary("or", left, and(), position);
        }
        return left;
    }

    private Expr and() {
        Position position = tokens.current().position();
        Expr left = not();
        for (int length = 0; tokens.skipName("and"); length++) {
            checkChain(length);
            left = new Ast.Binary("and", left, not(), position);
        }
        return left;
    }

    private Expr not() {
        Position position = tokens.current().position();
        if (!tokens.skipName("not")) {
            return comparison();
        }
        tokens.enter();
        Expr operand = not();
        tokens.leave();
        return new Ast.Unary("not", operand, position);
    }

    private Expr comparison() {
        Position position = tokens.current().position();
        Expr first = sum();
        List<Ast.Operand> operands = new ArrayList<>();
        while (true) {
            checkChain(operands.size());
            Token token = tokens.current();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.value())) {
                tokens.next();
                operands.add(new Ast.Operand((String) token.value(), sum()));
            } else if (tokens.skipName("in")) {
                operands.add(new Ast.Operand("in", sum()));
            } else if (token.isName("not") && tokens.look().isName("in")) {
                tokens.next();
                tokens.next();
                operands.add(new Ast.Operand("not in", sum()));
            } else {
                return operands.isEmpty() ? first : new Ast.Comparison(first, operands, position);
            }
        }
    }

    private @Nullable String skipAny(String... operators) {
        for (String operator : operators) {
            if (tokens.skipOperator(operator)) {
                return operator;
            }
        }
        return null;
    }

    private Expr sum() {
        Position position = tokens.current().position();
        Expr left = concat();
        int length = 0;
        for (String operator = skipAny("+", "-"); operator != null; operator = skipAny("+", "-")) {
            checkChain(length++);
            left = new Ast.Binary(operator, left, concat(), position);
        }
        return left;
    }

    private Expr concat() {
        Position position = tokens.current().position();
        List<Expr> parts = new ArrayList<>(List.of(product()));
        while (tokens.skipOperator("~")) {
            parts.add(product());
        }
        return parts.size() == 1 ? parts.get(0) : new Ast.Concat(parts, position);
    }

    private Expr product() {
        Position position = tokens.current().position();
        Expr left = power();
        int length = 0;
        String operator = skipAny("*", "/", "//", "%");
        while (operator != null) {
            checkChain(length++);
            left = new Ast.Binary(operator, left, power(), position);
            operator = skipAny("*", "/", "//", "%");
        }
        return left;
    }

    private Expr power() {
        Position position = tokens.current().position();
        Expr left = unary(true);
        for (int length = 0; tokens.skipOperator("**"); length++) {
            checkChain(length);
            left = new Ast.Binary("**", left, unary(true), position);
        }
        return left;
    }

    private Expr unary(boolean hasFilters) {
        Position position = tokens.current().position();
        String operator = skipAny("-", "+");
        Expr value;
        if (operator == null) {
            value = primary(false);
        } else {
            tokens.enter();
            value = new Ast.Unary(operator, unary(false), position);
            tokens.leave();
        }
        value = postfix(value);
        return hasFilters ? filtersAndTests(value) : value;
    }

    private Expr primary(boolean hasNamespace) {
        Token token = tokens.next();
        Position position = token.position();
        switch (token.kind()) {
            case NAME -> {
                return name((String) token.value(), hasNamespace, position);
            }
            case STRING -> {
                StringBuilder text = new StringBuilder((String) token.value());
                while (tokens.is(Kind.STRING)) {
                    text.append(tokens.next().value());
                }
                return new Ast.Const(text.toString(), position);
            }
            case NUMBER -> {
                return new Ast.Const(token.value(), position);
            }
            default -> {
                // brackets
            }
        }
        if (token.isOperator("(")) {
            Expr inside = tuple(TupleMode.PARENTHESES);
            tokens.expectOperator(")");
            return inside;
        }
        if (token.isOperator("[")) {
            return new Ast.ListLiteral(items(), position);
        }
        if (token.isOperator("{")) {
            return dict(position);
        }
        throw TokenStream.error("an expression is expected, not " + token.describe(), token);
    }

    private Expr name(String name, boolean hasNamespace, Position position) {
        switch (name) {
            case "true", "True" -> {
                return new Ast.Const(true, position);
            }
            case "false", "False" -> {
                return new Ast.Const(false, position);
            }
            case "none", "None" -> {
                return new Ast.Const(None.NONE, position);
            }
            default -> {
                if (hasNamespace && tokens.skipOperator(".")) {
                    return new Ast.NamespaceRef(name, tokens.expectAnyName(), position);
                }
                return new Ast.Name(name, position);
            }
        }
    }

    private List<Expr> items() {
        List<Expr> items = new ArrayList<>();
        while (!tokens.isOperator("]")) {
            if (!items.isEmpty()) {
                tokens.expectOperator(",");
            }
            if (tokens.isOperator("]")) {
                break;
            }
            items.add(expression());
        }
        tokens.expectOperator("]");
        return items;
    }

    private Expr dict(Position position) {
        List<Expr> keys = new ArrayList<>();
        List<Expr> values = new ArrayList<>();
        while (!tokens.isOperator("}")) {
            if (!keys.isEmpty()) {
                tokens.expectOperator(",");
            }
            if (tokens.isOperator("}")) {
                break;
            }
            Expr key = expression();
            if (key instanceof Ast.ListLiteral || key instanceof Ast.DictLiteral) {
                throw new TemplateError("a key of a dict cannot be a list or dict", key.position());
            }
            keys.add(key);
            tokens.expectOperator(":");
            values.add(expression());
        }
        tokens.expectOperator("}");
        return new Ast.DictLiteral(keys, values, position);
    }

    private Expr postfix(Expr value) {
        Expr result = value;
        for (int length = 0; ; length++) {
            checkChain(length);
            if (tokens.isOperator(".") || tokens.isOperator("[")) {
                result = subscripts.parse(result);
            } else if (tokens.isOperator("(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    private Expr filtersAndTests(Expr value) {
        Expr result = value;
        for (int length = 0; ; length++) {
            checkChain(length);
            if (tokens.isOperator("|")) {
                tokens.next();
                result = filter(result);
            } else if (tokens.isName("is")) {
                result = test(result);
            } else if (tokens.isOperator("(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    private Ast.Call call(Expr function) {
        Position position = tokens.current().position();
        return new Ast.Call(function, arguments.parse(), position);
    }

    /** A chain of filters in front of a block; null if there is none. */
    @Nullable
    Expr blockFilters(boolean isFirst) {
        Expr result = isFirst ? filter(null) : null;
        for (int length = 0; tokens.skipOperator("|"); length++) {
            checkChain(length);
            result = filter(result);
        }
        return result;
    }

    private Ast.FilterCall filter(@Nullable Expr value) {
        Position position = tokens.current().position();
        String name = dottedName();
        CallArguments passed = tokens.isOperator("(") ? arguments.parse() : CallArguments.NONE;
        return new Ast.FilterCall(value, name, passed, position);
    }

    private String dottedName() {
        StringBuilder name = new StringBuilder(tokens.expectAnyName());
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.expectAnyName());
        }
        return name.toString();
    }

    private Expr test(Expr value) {
        Position position = tokens.next().position();
        boolean isNegated = tokens.skipName("not");
        String name = dottedName();
        CallArguments passed = CallArguments.NONE;
        if (tokens.isOperator("(")) {
            passed = arguments.parse();
        } else if (hasArgument()) {
            if (tokens.isName("is")) {
                throw TokenStream.error("two tests with is cannot be chained", tokens.current());
            }
            passed = new CallArguments(List.of(postfix(primary(false))), List.of(), null, null);
        }
        Expr test = new Ast.TestCall(value, name, passed, position);
        return isNegated ? new Ast.Unary("not", test, position) : test;
    }

    private boolean hasArgument() {
        boolean isValue = tokens.is(Kind.NAME)
                || tokens.is(Kind.STRING)
                || tokens.is(Kind.NUMBER)
                || tokens.isOperator("[")
                || tokens.isOperator("{");
        return isValue && !tokens.isName("else") && !tokens.isName("or") && !tokens.isName("and");
    }
}
