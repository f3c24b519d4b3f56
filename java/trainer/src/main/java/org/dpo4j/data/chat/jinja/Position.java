package org.dpo4j.data.chat.jinja;

/** A place in a template: line and column, from 1. */
public record Position(int line, int column) {}
