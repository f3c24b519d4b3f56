package org.dpo4j.data;

/**
 * Which rows that say what an earlier one says are left out. All are counted.
 *
 * @param isRepeatDropped whether a row with the same tokens as an earlier one is left out
 * @param isContradictionDropped whether rows that contradict each other are left out, the earlier one too: pairs with
 *     chosen and rejected exchanged, and completions that are judged good in one row and bad in another; also pairs whose
 *     chosen is rejected
 */
public record RepeatOptions(boolean isRepeatDropped, boolean isContradictionDropped) {

    /** All are used. */
    public static final RepeatOptions NONE = new RepeatOptions(false, false);
}
