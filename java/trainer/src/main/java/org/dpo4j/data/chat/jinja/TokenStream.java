package org.dpo4j.data.chat.jinja;

import java.util.List;
import org.dpo4j.data.chat.jinja.Token.Kind;

/** The tokens of a template, read one by one, and how deeply what is being read is nested. */
final class TokenStream {
    /** Python gives up at about this depth too. */
    private static final int MAX_DEPTH = 60;

    private final List<Token> tokens;
    private int at;
    private int depth;

    TokenStream(String template) {
        tokens = Lexer.tokens(template);
    }

    Token current() {
        return tokens.get(at);
    }

    Token look() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    boolean is(Kind kind) {
        return current().kind() == kind;
    }

    boolean isOperator(String operator) {
        return current().isOperator(operator);
    }

    boolean isName(String name) {
        return current().isName(name);
    }

    boolean skipOperator(String operator) {
        boolean isNext = isOperator(operator);
        if (isNext) {
            at++;
        }
        return isNext;
    }

    boolean skipName(String name) {
        boolean isNext = isName(name);
        if (isNext) {
            at++;
        }
        return isNext;
    }

    Token expect(Kind kind) {
        if (!is(kind)) {
            throw unexpected(kind.description);
        }
        return next();
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    void expectName(String name) {
        if (!skipName(name)) {
            throw unexpected("'" + name + "'");
        }
    }

    String expectAnyName() {
        return (String) expect(Kind.NAME).value();
    }

    TemplateError unexpected(String expected) {
        return error(expected + " is expected, not " + current().describe(), current());
    }

    static TemplateError error(String message, Token token) {
        return new TemplateError(message, token.position());
    }

    void enter() {
        if (++depth > MAX_DEPTH) {
            throw error("the template is nested more than " + MAX_DEPTH + " deep", current());
        }
    }

    void leave() {
        depth--;
    }
}
