package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Token.Kind;
import org.jspecify.annotations.Nullable;

/**
 * Parses what follows a value: {@code .name}, {@code [key]} or {@code [begin:end:step]}.
 *
 * @param expression parses the next expression
 */
record SubscriptParser(TokenStream tokens, Supplier<Expr> expression) {

    /** The attribute, element or slice of a value that the next tokens name. */
    Expr parse(Expr value) {
        Token open = tokens.next();
        if (open.isOperator(".")) {
            Token name = tokens.next();
            if (name.kind() == Kind.NAME) {
                return new Ast.GetAttribute(value, (String) name.value(), open.position());
            }
            if (name.kind() != Kind.NUMBER || name.value() instanceof Double) {
                throw TokenStream.error("a name or whole number is expected, not " + name.describe(), name);
            }
            return new Ast.GetItem(value, new Ast.Const(name.value(), name.position()), open.position());
        }
        List<Expr> keys = new ArrayList<>();
        while (!tokens.isOperator("]")) {
            if (!keys.isEmpty()) {
                tokens.expectOperator(",");
            }
            Expr key = subscripted(value, open.position());
            if (key instanceof Ast.GetSlice && (!keys.isEmpty() || !tokens.isOperator("]"))) {
                throw TokenStream.error("a slice beside another index is not supported", open);
            }
            keys.add(key);
        }
        tokens.expectOperator("]");
        if (keys.size() == 1 && keys.get(0) instanceof Ast.GetSlice slice && slice.value() == value) {
            return slice;
        }
        Expr key = keys.size() == 1 ? keys.get(0) : new Ast.TupleLiteral(keys, open.position());
        return new Ast.GetItem(value, key, open.position());
    }

    /** A key, or a slice of the value. */
    private Expr subscripted(Expr value, Position position) {
        List<@Nullable Expr> bounds = new ArrayList<>();
        if (!tokens.isOperator(":")) {
            Expr key = expression.get();
            if (!tokens.isOperator(":")) {
                return key;
            }
            bounds.add(key);
        } else {
            bounds.add(null);
        }
        tokens.expectOperator(":");
        bounds.add(isBoundEnd() || tokens.isOperator(":") ? null : expression.get());
        bounds.add(tokens.skipOperator(":") && !isBoundEnd() ? expression.get() : null);
        return new Ast.GetSlice(value, bounds, position);
    }

    private boolean isBoundEnd() {
        return tokens.isOperator("]") || tokens.isOperator(",");
    }
}
