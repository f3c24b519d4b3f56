package org.dpo4j.data;

/**
 * Which rows that say what an earlier one says are left out. All are counted.
 *
 * @param isRepeatDropped whether a row with the same tokens as an earlier one is left out
 * @param isContradictionDropped whether contradictory rows are left out. Two pairs contradict each other if chosen and
 *     rejected are exchanged. Two judged completions do if they are equal, and one is good and the other bad. Both rows
 *     are left out. A pair with equal completions contradicts itself
 */
public record RepeatOptions(boolean isRepeatDropped, boolean isContradictionDropped) {

    /** All are used. */
    public static final RepeatOptions NONE = new RepeatOptions(false, false);
}
