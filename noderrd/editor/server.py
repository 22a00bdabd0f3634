"""Language Server Protocol 3.17 over stdio (pygls): diagnostics, completion, hover, formatting, go to definition.

A document that is open counts as the editor has it, all others as they are on disk. A rules file is checked together with the others of its
folder when that is called rules.d, else by itself with what it includes. Positions of the protocol count UTF-16 units unless the client says
otherwise; rules count characters.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from noderrd import rulefiles
from rules import check, look, scenario
from rules.diagnostic import Diagnostic
from rules.format import format_text
from rules.parse import POLICY, SCENARIOS, parse
from rules.span import Source, Span

SEVERITIES = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}
KINDS = {
    "keyword": lsp.CompletionItemKind.Keyword,
    "block": lsp.CompletionItemKind.Class,
    "field": lsp.CompletionItemKind.Field,
    "metric": lsp.CompletionItemKind.Variable,
    "function": lsp.CompletionItemKind.Function,
    "state": lsp.CompletionItemKind.EnumMember,
    "label": lsp.CompletionItemKind.Property,
    "constant": lsp.CompletionItemKind.Constant,
    "name": lsp.CompletionItemKind.Reference,
    "unit": lsp.CompletionItemKind.Unit,
    "value": lsp.CompletionItemKind.Value,
}


def path_of(uri: str) -> str:
    """Give the path of a file: URI; other URIs stand for themselves."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri


class Documents:
    """What the editor has open, and the policy around a document."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server

    def text(self, uri: str) -> str:
        """Give a document's text as the editor has it."""
        return str(self._server.workspace.get_text_document(uri).source)

    def source(self, uri: str) -> Source:
        """Give it under its path."""
        return Source(path_of(uri), self.text(uri))

    def read(self, path: str) -> bytes:
        """Read a file: as the editor has it, if it is open. Raises OSError."""
        for uri, document in self._server.workspace.text_documents.items():
            if path_of(uri) == path:
                return str(document.source).encode()
        return rulefiles.read(path)

    def together(self, path: str) -> list[str]:
        """Give the files that are one policy with a file."""
        folder = Path(path).parent
        if folder.suffix != ".d":
            return [path]
        return sorted({path, *(str(p) for p in folder.glob("*.rules"))})

    def check(self, uri: str) -> tuple[list[Diagnostic], Mapping[str, Source]]:
        """Find what is wrong with a document, and with those that are one policy with it."""
        path = path_of(uri)
        if path.endswith(".scenario"):
            _, found, source = scenario.read(path, self.text(uri).encode())
            return found, {path: source}
        policy, found, sources = check.load(self.together(path), self.read, rulefiles.expand)
        if policy is not None:
            found = [*found, *rulefiles.missing(policy)]
        return found, sources

    def sources(self, uri: str) -> list[Source]:
        """Give a document and all that are one policy with it, the document first."""
        path = path_of(uri)
        _, _, found = check.load(self.together(path), self.read, rulefiles.expand)
        return [self.source(uri), *(source for file, source in found.items() if file != path)]


def make() -> LanguageServer:
    """Give a server that is ready to be started."""
    server = LanguageServer("noderrd-rules", "1")
    documents = Documents(server)

    def span_range(span: Span, source: Source) -> lsp.Range:
        """Give a span in the client's units."""
        line = source.line(span.line)
        here = lsp.Range(lsp.Position(0, span.col - 1), lsp.Position(0, max(span.end_col - 1, span.col)))
        found = server.workspace.position_codec.range_to_client_units([line], here)
        return lsp.Range(lsp.Position(span.line - 1, found.start.character), lsp.Position(span.line - 1, found.end.character))

    def offset(uri: str, position: lsp.Position) -> int:
        return int(server.workspace.get_text_document(uri).offset_at_position(position))

    def publish(uri: str) -> None:
        """Tell what is wrong with a document and its neighbours that are open."""
        found, sources = documents.check(uri)
        for other in server.workspace.text_documents:
            path = path_of(other)
            if path not in sources:
                continue
            said = [
                lsp.Diagnostic(
                    range=span_range(d.span, sources[path]),
                    message=d.message + (f"\n{d.hint}" if d.hint else ""),
                    severity=SEVERITIES[d.severity],
                    code=d.code,
                    source="noderrd",
                )
                for d in found
                if d.span.file == path
            ]
            server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=other, diagnostics=said))

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[" ", "(", "[", ","]))
    def complete(params: lsp.CompletionParams) -> lsp.CompletionList:
        uri = params.text_document.uri
        names: dict[str, list[str]] = {}
        for source in documents.sources(uri):
            for kind, name in look.declarations(source):
                names.setdefault(kind, []).append(name)
        found = look.suggest(documents.source(uri), offset(uri, params.position), names, scenario=uri.endswith(".scenario"))
        items = [lsp.CompletionItem(label=one.word, kind=KINDS[one.kind], detail=one.about or None) for one in found]
        return lsp.CompletionList(is_incomplete=len(found) >= look.MAX_SUGGESTIONS, items=items)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        source = documents.source(params.text_document.uri)
        found = look.about(source, offset(params.text_document.uri, params.position))
        if found is None:
            return None
        said, span = found
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, said), span_range(span, source))

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def definition(params: lsp.DefinitionParams) -> lsp.Location | None:
        uri = params.text_document.uri
        wanted = look.refers(documents.source(uri), offset(uri, params.position))
        for source in documents.sources(uri):
            declared: dict[tuple[str, str], Span] = look.declarations(source)
            for one in wanted:
                if one in declared:
                    target = uri if source.file == path_of(uri) else Path(source.file).absolute().as_uri()
                    return lsp.Location(target, span_range(declared[one], source))
        return None

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        source = documents.source(params.text_document.uri)
        parsed = parse(source, POLICY | SCENARIOS)
        if parsed.diagnostics:
            return None
        lines = source.text.count("\n") + 1
        everything = lsp.Range(lsp.Position(0, 0), lsp.Position(lines, 0))
        return [lsp.TextEdit(everything, format_text(parsed))]

    return server
