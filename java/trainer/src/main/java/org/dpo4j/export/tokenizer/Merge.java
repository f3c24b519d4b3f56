package org.dpo4j.export.tokenizer;

/** Two tokens that byte-pair encoding joins. */
record Merge(String left, String right) {
    /** As a line of a merges file. A space in a token is written as GPT-2's byte mark. */
    String line() {
        return left.replace(' ', '\u0120') + " " + right.replace(' ', '\u0120');
    }

    String joined() {
        return left + right;
    }
}
