package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.dpo4j.data.chat.jinja.Ast.CallArguments;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Token.Kind;

/**
 * Parses the arguments of a call, in parentheses.
 *
 * @param expression parses the next expression
 */
record ArgumentParser(TokenStream tokens, Supplier<Expr> expression) {
    /** Names that jinja2 passes itself. */
    private static final Set<String> RESERVED_ARGUMENTS = Set.of("_loop_vars", "_block_vars");

    CallArguments parse() {
        Token open = tokens.current();
        tokens.expectOperator("(");
        List<Expr> positional = new ArrayList<>();
        List<Ast.Keyword> named = new ArrayList<>();
        Expr unpacked = null;
        Expr unpackedNames = null;
        boolean isFirst = true;
        while (!tokens.isOperator(")")) {
            if (!isFirst) {
                tokens.expectOperator(",");
                if (tokens.isOperator(")")) {
                    break;
                }
            }
            isFirst = false;
            boolean hasNone = unpacked == null && unpackedNames == null;
            if (tokens.skipOperator("*")) {
                require(hasNone, open);
                unpacked = expression.get();
            } else if (tokens.skipOperator("**")) {
                require(unpackedNames == null, open);
                unpackedNames = expression.get();
            } else if (tokens.is(Kind.NAME) && tokens.look().isOperator("=")) {
                require(unpackedNames == null, open);
                named.add(keyword(named));
            } else {
                require(hasNone && named.isEmpty(), open);
                positional.add(expression.get());
            }
        }
        tokens.expectOperator(")");
        return new CallArguments(positional, named, unpacked, unpackedNames);
    }

    private static void require(boolean isValid, Token open) {
        if (!isValid) {
            throw TokenStream.error("the arguments of this call are in an invalid order", open);
        }
    }

    private Ast.Keyword keyword(List<Ast.Keyword> before) {
        Token token = tokens.next();
        String name = (String) token.value();
        tokens.next();
        if (RESERVED_ARGUMENTS.contains(name)
                || before.stream().anyMatch(one -> one.name().equals(name))) {
            throw TokenStream.error("the argument " + name + " is given twice", token);
        }
        return new Ast.Keyword(name, expression.get());
    }
}
