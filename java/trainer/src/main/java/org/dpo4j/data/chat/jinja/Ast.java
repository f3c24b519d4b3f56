package org.dpo4j.data.chat.jinja;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The syntax tree of a template. */
interface Ast {
    Position position();

    /** An expression. */
    sealed interface Expr extends Ast {}

    record Const(Object value, Position position) implements Expr {}

    record Name(String name, Position position) implements Expr {}

    /** {@code name.attribute} as the target of set. */
    record NamespaceRef(String name, String attribute, Position position) implements Expr {}

    record TupleLiteral(List<Expr> items, Position position) implements Expr {}

    record ListLiteral(List<Expr> items, Position position) implements Expr {}

    record DictLiteral(List<Expr> keys, List<Expr> values, Position position) implements Expr {}

    record Conditional(Expr test, Expr then, @Nullable Expr otherwise, Position position) implements Expr {}

    record Binary(String operator, Expr left, Expr right, Position position) implements Expr {}

    /** not, - or +. */
    record Unary(String operator, Expr operand, Position position) implements Expr {}

    record Concat(List<Expr> parts, Position position) implements Expr {}

    record Comparison(Expr first, List<Operand> operands, Position position) implements Expr {}

    record Operand(String operator, Expr value) {}

    record GetAttribute(Expr value, String name, Position position) implements Expr {}

    record GetItem(Expr value, Expr key, Position position) implements Expr {}

    record GetSlice(Expr value, List<@Nullable Expr> bounds, Position position) implements Expr {}

    record Call(Expr function, CallArguments arguments, Position position) implements Expr {}

    /** The value is null in front of a filter block and of a set block. */
    record FilterCall(@Nullable Expr value, String name, CallArguments arguments, Position position) implements Expr {}

    record TestCall(Expr value, String name, CallArguments arguments, Position position) implements Expr {}

    record CallArguments(
            List<Expr> positional,
            List<Keyword> named,
            @Nullable Expr unpacked,
            @Nullable Expr unpackedNames) {
        static final CallArguments NONE = new CallArguments(List.of(), List.of(), null, null);
    }

    record Keyword(String name, Expr value) {}

    /** A statement. */
    sealed interface Stmt extends Ast {}

    record Data(String text, Position position) implements Stmt {}

    record Print(Expr value, Position position) implements Stmt {}

    /** if and its elif branches, in order, and else. */
    record If(List<Branch> branches, List<Stmt> otherwise, Position position) implements Stmt {}

    record Branch(Expr test, List<Stmt> body) {}

    record For(
            Expr target,
            Expr items,
            @Nullable Expr test,
            boolean isRecursive,
            List<Stmt> body,
            List<Stmt> otherwise,
            Position position)
            implements Stmt {}

    record SetValue(Expr target, Expr value, Position position) implements Stmt {}

    record SetBlock(Expr target, @Nullable Expr filter, List<Stmt> body, Position position) implements Stmt {}

    record Signature(List<Name> parameters, List<Expr> defaults) {}

    record MacroBlock(String name, Signature signature, List<Stmt> body, Position position) implements Stmt {}

    record CallBlock(Signature signature, Call call, List<Stmt> body, Position position) implements Stmt {}

    record FilterBlock(Expr filter, List<Stmt> body, Position position) implements Stmt {}

    record With(List<Expr> targets, List<Expr> values, List<Stmt> body, Position position) implements Stmt {}

    record Generation(List<Stmt> body, Position position) implements Stmt {}

    /** break or continue. */
    record Jump(boolean isBreak, Position position) implements Stmt {}
}
