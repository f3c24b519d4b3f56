package org.dpo4j.data.chat.jinja;

import java.util.List;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.dpo4j.data.chat.jinja.Code.Action;

/** Compiles statements one after the other, in a scope. */
interface BodyCompiler {
    Action compile(Scope scope, List<Stmt> body);
}
