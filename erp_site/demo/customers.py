"""Who buys from the demo's distributor. Names, addresses and telephones are invented, and so are the tax ids."""

from dataclasses import dataclass
from typing import Final

from erp_site.core import taxid
from erp_site.core.search import words


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """`size` weighs how often and how much they buy."""

    name: str
    cpf_cnpj: str
    email: str
    phone: str
    address: str
    size: int

    @property
    def is_company(self) -> bool:
        return len(self.cpf_cnpj) == 14


#: Name, kind of tax id (cpf, cnpj, or alfa for an alphanumeric CNPJ), area code, address, size.
_ROWS: Final = """
Padaria Estrela da Manhã Ltda | cnpj | 11 | Rua das Acácias, 120 - Vila Mariana, São Paulo/SP, 04101-000 | 6
Restaurante Sabor da Serra Ltda | cnpj | 11 | Avenida Paulista, 2591 - Bela Vista, São Paulo/SP, 01311-931 | 8
Mercadinho Dois Irmãos Ltda | cnpj | 11 | Rua Coronel Bento, 88 - Lapa, São Paulo/SP, 05069-010 | 7
Hotel Porto das Palmeiras S.A. | cnpj | 13 | Avenida da Praia, 1500 - Gonzaga, Santos/SP, 11060-001 | 9
Lanchonete Ponto Certo ME | cnpj | 11 | Rua do Comércio, 45 - Centro, Guarulhos/SP, 07010-020 | 4
Pizzaria Forno de Pedra Ltda | cnpj | 19 | Rua Barão de Jaguara, 901 - Centro, Campinas/SP, 13015-001 | 6
Cantina Nonna Pina Ltda | cnpj | 11 | Rua Treze de Maio, 732 - Bixiga, São Paulo/SP, 01327-000 | 5
Escola Jardim do Saber Ltda | cnpj | 19 | Rua dos Ipês, 310 - Cambuí, Campinas/SP, 13025-100 | 5
Colégio Novo Horizonte S/S | cnpj | 16 | Avenida Independência, 2200 - Centro, Ribeirão Preto/SP, 14025-390 | 5
Hospital Santa Aurora S.A. | cnpj | 16 | Rua Bernardino de Campos, 1317 - Centro, Ribeirão Preto/SP, 14015-130 | 9
Condomínio Edifício Mirante do Parque | cnpj | 11 | Rua Pamplona, 1418 - Jardim Paulista, São Paulo/SP, 01405-002 | 2
Condomínio Residencial Vila das Flores | cnpj | 15 | Rua Sete de Setembro, 77 - Centro, Sorocaba/SP, 18035-001 | 2
Supermercado Boa Compra Ltda | cnpj | 15 | Avenida Itavuvu, 4121 - Vila Olímpia, Sorocaba/SP, 18078-005 | 9
Churrascaria Fogo Campeiro Ltda | cnpj | 41 | Avenida Manoel Ribas, 7014 - Santa Felicidade, Curitiba/PR, 82400-000 | 7
Café da Esquina Ltda | cnpj | 41 | Rua XV de Novembro, 1299 - Centro, Curitiba/PR, 80060-000 | 4
Sorveteria Polo Norte ME | cnpj | 47 | Rua das Missões, 512 - Ponta Aguda, Blumenau/SC, 89051-000 | 3
Confeitaria Doce Encanto Ltda | cnpj | 48 | Rua Bocaiúva, 2013 - Centro, Florianópolis/SC, 88015-530 | 4
Pousada Brisa do Mar Ltda | cnpj | 48 | Estrada Geral do Campeche, 640 - Campeche, Florianópolis/SC, 88063-000 | 4
Empório Vale dos Vinhedos Ltda | cnpj | 54 | Rua Marquês do Herval, 350 - Centro, Caxias do Sul/RS, 95020-260 | 4
Restaurante Pampa Grill Ltda | cnpj | 51 | Avenida Ipiranga, 5127 - Partenon, Porto Alegre/RS, 90619-900 | 6
Mercearia São Judas ME | cnpj | 31 | Rua dos Timbiras, 1850 - Lourdes, Belo Horizonte/MG, 30140-061 | 3
Pão de Queijo da Vó Ltda | cnpj | 31 | Avenida Cristóvão Colombo, 287 - Savassi, Belo Horizonte/MG, 30140-140 | 6
Restaurante Fogão Mineiro Ltda | cnpj | 34 | Avenida João Naves de Ávila, 2209 - Tibery, Uberlândia/MG, 38408-902 | 6
Buffet Festa & Arte Ltda | cnpj | 21 | Rua Conde de Bonfim, 422 - Tijuca, Rio de Janeiro/RJ, 20520-054 | 5
Quiosque Onda Boa ME | cnpj | 21 | Avenida Atlântica, 3397 - Copacabana, Rio de Janeiro/RJ, 22070-001 | 3
Clube Náutico Guanabara | cnpj | 21 | Rua Joana Angélica, 63 - Ipanema, Rio de Janeiro/RJ, 22420-030 | 5
Academia Corpo em Movimento Ltda | cnpj | 27 | Avenida da Penha, 714 - Praia do Canto, Vitória/ES, 29055-130 | 2
Peixaria Cais do Porto Ltda | cnpj | 27 | Rua Vasco Coutinho, 18 - Centro, Vila Velha/ES, 29100-230 | 3
Cozinha Industrial Prato Feito S.A. | cnpj | 11 | Rua Júlio de Castilhos, 1080 - Belém, São Paulo/SP, 03059-005 | 10
Distribuidora Rota do Sol Ltda | cnpj | 14 | Avenida Rodrigues Alves, 38 - Centro, Bauru/SP, 17015-002 | 7
Clínica Vida Plena S/S | cnpj | 17 | Rua Bernardino Antunes, 410 - Boa Vista, São José do Rio Preto/SP, 15025-210 | 2
Coworking Ponte Nova Ltda | cnpj | 12 | Avenida Cassiano Ricardo, 847 - Aquarius, São José dos Campos/SP, 12246-870 | 3
Bistrô Folha de Louro Ltda | alfa | 11 | Rua Aspicuelta, 255 - Vila Madalena, São Paulo/SP, 05433-010 | 5
Hamburgueria Brasa Viva Ltda | alfa | 11 | Rua Augusta, 1371 - Consolação, São Paulo/SP, 01305-100 | 6
Marmitaria Tempero de Casa Ltda | alfa | 19 | Rua Culto à Ciência, 149 - Botafogo, Campinas/SP, 13020-060 | 6
Mercado Orgânico Raiz Forte Ltda | alfa | 41 | Rua Itupava, 1205 - Alto da XV, Curitiba/PR, 80040-455 | 4
Food Truck Sabor sobre Rodas Ltda | alfa | 31 | Rua Sapucaí, 383 - Floresta, Belo Horizonte/MG, 30150-050 | 3
Hostel Mochila & Café Ltda | alfa | 21 | Rua Almirante Alexandrino, 501 - Santa Teresa, Rio de Janeiro/RJ, 20241-260 | 3
Maria Aparecida Nogueira | cpf | 11 | Rua Harmonia, 54, casa 2 - Vila Madalena, São Paulo/SP, 05435-000 | 1
João Batista de Almeida Prado | cpf | 19 | Rua Emílio Ribas, 805, apto 41 - Cambuí, Campinas/SP, 13025-141 | 1
Luciana Ferraz Quitutes | cpf | 11 | Rua Cotoxó, 303 - Perdizes, São Paulo/SP, 05021-000 | 2
Antônio Carlos Moreira da Conceição | cpf | 13 | Rua Goiás, 160 - Boqueirão, Santos/SP, 11050-100 | 1
Sônia Regina Doces Artesanais | cpf | 16 | Rua Garibaldi, 1289 - Centro, Ribeirão Preto/SP, 14010-170 | 2
Fábio Henrique Yamamoto | cpf | 15 | Rua da Penha, 1113 - Centro, Sorocaba/SP, 18010-004 | 1
Núcleo Comunitário Mãos Dadas | cnpj | 11 | Rua Ministro Salgado Filho, 47 - Itaquera, São Paulo/SP, 08210-510 | 2
Bar e Petiscaria Zé do Largo ME | cnpj | 11 | Largo da Batata, 19 - Pinheiros, São Paulo/SP, 05420-030 | 4
"""

#: Buys no more.
INACTIVE: Final = frozenset({"Sorveteria Polo Norte ME"})

_MAKERS: Final = {
    # Roots of nines and a made-up series, so that no real company or person is meant.
    "cnpj": lambda n: f"999{n:05d}0001",
    "alfa": lambda n: f"{'9K7WZR4T'[n % 8]}DM{n:02d}XYZ0001",
    "cpf": lambda n: f"9999{n * 37:05d}",
}


def _tax_id(kind: str, number: int) -> str:
    root = _MAKERS[kind](number)
    check_digits = taxid.cpf_check_digits if kind == "cpf" else taxid.cnpj_check_digits
    return root + check_digits(root)


def _customer(number: int, row: str) -> DemoCustomer:
    name, kind, area, address, size = (cell.strip() for cell in row.split("|"))
    mailbox = "-".join([word for word in words(name) if len(word) > 2][:2])
    return DemoCustomer(
        name=name,
        cpf_cnpj=_tax_id(kind, number),
        email=f"{'contato' if kind == 'cpf' else 'compras'}@{mailbox}.example",  # nobody's (RFC 2606)
        phone=f"({area}) 5550-{number * 97 % 10000:04d}",
        address=address,
        size=int(size),
    )


CUSTOMERS: Final = tuple(
    _customer(number, row) for number, row in enumerate(_ROWS.strip().splitlines(), 11)
)
