import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { python } from '@codemirror/lang-python';
import { yaml } from '@codemirror/lang-yaml';
import {
  bracketMatching,
  foldGutter,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from '@codemirror/language';
import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { Ref } from 'react';
import { useEffect, useImperativeHandle, useRef } from 'react';
import './editor.css';

const LANGUAGES = { yaml, json, python } as const;
export type Language = keyof typeof LANGUAGES;

/** A finding at a place in the text; lines and columns count from 1, columns in code points. */
export interface Mark {
  severity: 'error' | 'warning';
  message: string;
  line: number;
  column: number;
}

export interface EditorHandle {
  /** Puts the cursor there, scrolled into view, and focuses the text. */
  goTo: (line: number, column: number) => void;
}

interface EditorProps {
  label: string;
  value: string;
  language: Language;
  onChange?: (value: string) => void;
  readOnly?: boolean;
  marks?: readonly Mark[];
  /** Lines shown before the text scrolls; the whole height of the parent when `fill`. */
  fill?: boolean;
  ref?: Ref<EditorHandle>;
}

const highlighting = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--syntax-key)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--syntax-string)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--syntax-number)' },
  { tag: [tags.keyword, tags.operatorKeyword, tags.definitionKeyword], color: 'var(--syntax-keyword)' },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName))],
    color: 'var(--syntax-key)',
  },
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
]);

/** The nonce that the server put into the page: CodeMirror's style element needs it under the policy. */
function cspNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
}

/** The offset of a line and column (code points), or the nearest one there is. */
function offsetOf(state: EditorState, line: number, column: number): number {
  const at = state.doc.line(Math.min(Math.max(line, 1), state.doc.lines));
  const units = [...at.text].slice(0, Math.max(0, column - 1)).join('').length;
  return at.from + units;
}

function diagnostic(state: EditorState, mark: Mark): Diagnostic {
  const from = offsetOf(state, mark.line, mark.column);
  const line = state.doc.lineAt(from);
  return {
    from: from === line.to ? line.from : from,
    to: line.to,
    severity: mark.severity,
    message: mark.message,
  };
}

/**
 * What is typed over a selection is put in by the editor. The browser would do it by itself, and keep the look of what was
 * there with a style attribute, which the policy forbids and reports.
 */
const typedOver = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const typed = event.inputType === 'insertText' ? event.data : null;
    if (!typed || event.isComposing || view.state.readOnly || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(typed), { scrollIntoView: true, userEvent: 'input.type' });
    return true;
  },
});

/** A text editor. Tab moves on, as everywhere (Escape leaves nothing trapped); Ctrl+] indents. */
export function Editor({
  label,
  value,
  language,
  onChange,
  readOnly = false,
  marks,
  fill,
  ref,
}: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const changed = useRef(onChange);
  changed.current = onChange;
  const mode = useRef(new Compartment());

  // biome-ignore lint/correctness/useExhaustiveDependencies: value and readOnly are followed by the effects below
  useEffect(() => {
    if (!host.current) return;
    const extensions: Extension[] = [
      EditorView.cspNonce.of(cspNonce()),
      lineNumbers(),
      foldGutter(),
      history(),
      drawSelection(),
      indentOnInput(),
      bracketMatching(),
      highlightActiveLine(),
      highlightActiveLineGutter(),
      lintGutter(),
      indentUnit.of(language === 'python' ? '    ' : '  '),
      syntaxHighlighting(highlighting),
      LANGUAGES[language](),
      typedOver,
      keymap.of([...defaultKeymap, ...historyKeymap]),
      EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
      EditorView.lineWrapping,
      mode.current.of(EditorState.readOnly.of(readOnly)),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed.current?.(update.state.doc.toString());
      }),
    ];
    view.current = new EditorView({
      parent: host.current,
      state: EditorState.create({ doc: value, extensions }),
    });
    return () => {
      view.current?.destroy();
      view.current = null;
    };
  }, [language, label]);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    }
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({ effects: mode.current.reconfigure(EditorState.readOnly.of(readOnly)) });
  }, [readOnly]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || !marks) return;
    const found = marks.map((mark) => diagnostic(editor.state, mark));
    editor.dispatch(setDiagnostics(editor.state, found));
  }, [marks]);

  useImperativeHandle(ref, () => ({
    goTo: (line, column) => {
      const editor = view.current;
      if (!editor) return;
      const at = offsetOf(editor.state, line, column);
      editor.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
      editor.focus();
    },
  }));

  return <div ref={host} className={fill ? 'editor editor-fill' : 'editor'} />;
}
