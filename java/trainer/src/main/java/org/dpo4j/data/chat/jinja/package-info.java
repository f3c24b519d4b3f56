/**
 * The part of Jinja that chat templates use, with the values of Python: it renders the text that jinja2 3.1.6 renders in
 * the environment of transformers, or it refuses. Layers, each uses only those before it: values, their texts and
 * comparisons, arithmetic, attributes and methods, filters and tests, lexer and parser, scopes, compiled statements.
 */
@NullMarked
package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.NullMarked;
