package org.dpo4j.export.tokenizer;

/** llama.cpp's types of tokens. */
enum TokenType {
    NORMAL(1),
    UNKNOWN(2),
    CONTROL(3),
    USER_DEFINED(4),
    UNUSED(5),
    BYTE(6);

    private final int number;

    TokenType(int number) {
        this.number = number;
    }

    int number() {
        return number;
    }
}
