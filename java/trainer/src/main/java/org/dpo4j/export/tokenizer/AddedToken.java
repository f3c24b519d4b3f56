package org.dpo4j.export.tokenizer;

/**
 * A token that is recognised in a text before the text is split.
 *
 * @param isSpecial whether it is a command to the model and not text
 */
record AddedToken(int id, String content, boolean isSpecial) {
    private static final String SPACE_MARK = "\u2581";

    /** The types of llama.cpp. Some models mark tokens that are commands as text, so their spelling counts too. */
    TokenType type() {
        return isSpecial || looksSpecial() ? TokenType.CONTROL : TokenType.USER_DEFINED;
    }

    /** The text as llama.cpp finds it. */
    String text() {
        return type() == TokenType.CONTROL ? content : content.replace(SPACE_MARK, " ");
    }

    private boolean looksSpecial() {
        return content.equals("<pad>")
                || content.equals("<mask>")
                || content.equals("<2mass>")
                || content.equals("[@BOS@]")
                || content.startsWith("<|") && content.endsWith("|>")
                || content.startsWith("<\uff5c") && content.endsWith("\uff5c>")
                || content.startsWith("<unused") && content.endsWith(">");
    }
}
